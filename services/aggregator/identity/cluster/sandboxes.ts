// Which pods run in a kernel of their own, where no agent of the node can look: by the handler of their
// RuntimeClass (https://kubernetes.io/docs/concepts/containers/runtime-class/), or by the class's name where
// the handler is not known.

/** A RuntimeClass. */
export interface RuntimeClassObject {
  readonly uid: string;
  readonly name: string;
  /** What the node's container runtime calls it ("runsc", "kata-qemu"). */
  readonly handler: string;
}

/** RuntimeClasses kept at most; a cluster has a handful. */
const RUNTIME_CLASSES_MAX = 1024;

// gVisor's network stack is its own; the others are virtual machines. Handlers carry suffixes: kata-qemu,
// kata-clh …
const sandboxWords = ["gvisor", "runsc", "kata", "firecracker", "krun", "quark", "urunc", "runhcs"];

/** The RuntimeClasses of a cluster. */
export class RuntimeClassTable {
  readonly #byUid = new Map<string, RuntimeClassObject>();
  readonly #handlers = new Map<string, string>();

  /** Notes a class; gives whether it is new or has another handler. */
  put(object: RuntimeClassObject): boolean {
    if (this.#handlers.get(object.name) === object.handler) return false;
    if (this.#handlers.size >= RUNTIME_CLASSES_MAX && !this.#handlers.has(object.name)) return false;
    this.#byUid.set(object.uid, object);
    this.#handlers.set(object.name, object.handler);
    return true;
  }

  /** Notes that a class is gone: its pods go on, and are told by its name. */
  remove(uid: string): void {
    const name = this.#byUid.get(uid)?.name;
    this.#byUid.delete(uid);
    if (name !== undefined) this.#handlers.delete(name);
  }

  /** Why a pod of this class has its sockets in another kernel; empty where it has not, or has no class. */
  reason(className: string): string {
    if (className === "") return "";
    const handler = this.#handlers.get(className);
    if (!isSandbox(handler ?? className)) return "";
    return handler === undefined || handler === className
      ? `runtime class ${className} is a sandbox of its own`
      : `runtime class ${className} (${handler}) is a sandbox of its own`;
  }
}

/**
 * Whether a handler, or a class where its handler is not known, is one whose containers have a kernel of their
 * own.
 */
export function isSandbox(handler: string): boolean {
  return handler
    .toLowerCase()
    .split(/[^a-z0-9]+/)
    .some((part) => sandboxWords.some((word) => part.startsWith(word)));
}
