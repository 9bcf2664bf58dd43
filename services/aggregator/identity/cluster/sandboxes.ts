// Recognizes pods that run in a kernel of their own, which the node's agent cannot read: by the handler of
// their RuntimeClass (https://kubernetes.io/docs/concepts/containers/runtime-class/), or by the name of the
// class if the handler is unknown.

/** A RuntimeClass. */
export interface RuntimeClassObject {
  readonly uid: string;
  readonly name: string;
  /** Its name in the node's container runtime ("runsc", "kata-qemu"). */
  readonly handler: string;
}

/** RuntimeClasses kept at most; a cluster has a handful. */
const RUNTIME_CLASSES_MAX = 1024;

// gVisor has its own network stack; the others are virtual machines. Handlers carry suffixes: kata-qemu,
// kata-clh …
const sandboxWords = ["gvisor", "runsc", "kata", "firecracker", "krun", "quark", "urunc", "runhcs"];

/** The RuntimeClasses of a cluster. */
export class RuntimeClassTable {
  readonly #byUid = new Map<string, RuntimeClassObject>();
  readonly #handlers = new Map<string, string>();

  /** Stores a class; returns whether it is new or has another handler. */
  put(object: RuntimeClassObject): boolean {
    if (this.#handlers.get(object.name) === object.handler) return false;
    if (this.#handlers.size >= RUNTIME_CLASSES_MAX && !this.#handlers.has(object.name)) return false;
    this.#byUid.set(object.uid, object);
    this.#handlers.set(object.name, object.handler);
    return true;
  }

  /** Removes a class. Its pods keep running and are then recognized by the name of the class. */
  remove(uid: string): void {
    const name = this.#byUid.get(uid)?.name;
    this.#byUid.delete(uid);
    if (name !== undefined) this.#handlers.delete(name);
  }

  /** Why a pod of this class has its sockets in another kernel; empty if it does not, or has no class. */
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
 * Whether a handler, or a class name if the handler is unknown, means that containers have a kernel of their
 * own.
 */
export function isSandbox(handler: string): boolean {
  return handler
    .toLowerCase()
    .split(/[^a-z0-9]+/)
    .some((part) => sandboxWords.some((word) => part.startsWith(word)));
}
