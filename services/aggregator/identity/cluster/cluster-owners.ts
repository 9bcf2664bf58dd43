// ReplicaSets and Jobs by uid and by name, with what owns them. Those that are gone are remembered for a
// while: their pods outlive them.

import type { OwnerObject, OwnerReference } from "./cluster-objects.ts";

/** The kinds that are stepped over on the way from a pod to its workload. */
export type OwnerKind = "ReplicaSet" | "Job";

interface Entry {
  readonly name: string;
  readonly owner: OwnerReference | null;
}

/** What owns what. */
export class OwnerTable {
  /** Counts up whenever a lookup may give something else. */
  version = 0;
  readonly #byUid = new Map<string, Entry>();
  // "Job/namespace/name" → uid: the nodes' reports tell owners without their uid.
  readonly #uidByName = new Map<string, string>();
  // Uid → when it went, in that order.
  readonly #gone = new Map<string, number>();

  /** Notes an object; gives whether it is new or differs from what was known. */
  put(kind: OwnerKind, object: OwnerObject): boolean {
    const known = this.#byUid.get(object.uid);
    this.#gone.delete(object.uid);
    if (known !== undefined && known.owner?.uid === object.owner?.uid) return false;
    const name = nameOf(kind, object.namespace, object.name);
    this.#byUid.set(object.uid, { name, owner: object.owner });
    this.#uidByName.set(name, object.uid);
    this.version++;
    return true;
  }

  /** Notes that an object is gone. */
  remove(uid: string, nowMs: number): void {
    if (this.#byUid.has(uid)) this.#gone.set(uid, nowMs);
  }

  /** The owner's own owner: null where it has none, undefined where it is not known. */
  ownerOf(namespace: string, owner: OwnerReference): OwnerReference | null | undefined {
    const uid = owner.uid === "" ? this.#uidByName.get(nameOf(owner.kind, namespace, owner.name)) : owner.uid;
    return uid === undefined ? undefined : this.#byUid.get(uid)?.owner;
  }

  /** Forgets what went before a time, and the oldest beyond a number. */
  forget(beforeMs: number, goneMax: number): void {
    for (const [uid, goneMs] of this.#gone) {
      if (goneMs >= beforeMs && this.#gone.size <= goneMax) break;
      const name = this.#byUid.get(uid)?.name;
      if (name !== undefined && this.#uidByName.get(name) === uid) this.#uidByName.delete(name);
      this.#byUid.delete(uid);
      this.#gone.delete(uid);
    }
  }
}

function nameOf(kind: string, namespace: string, name: string): string {
  return `${kind}/${namespace}/${name}`;
}
