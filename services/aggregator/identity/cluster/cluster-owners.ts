// ReplicaSets and Jobs by uid and by name, with what owns them. Deleted ones are kept for a
// while: their pods outlive them.

import type { OwnerObject, OwnerReference } from "./cluster-objects.ts";

/** The kinds that are skipped between a pod and its workload. */
export type OwnerKind = "ReplicaSet" | "Job";

interface Entry {
  readonly name: string;
  readonly owner: OwnerReference | null;
}

/** Owners of pods' owners. */
export class OwnerTable {
  /** Incremented whenever a lookup may return something different. */
  version = 0;
  readonly #byUid = new Map<string, Entry>();
  // "Job/namespace/name" → uid: the nodes' reports name owners without their uid.
  readonly #uidByName = new Map<string, string>();
  // Uid → time of deletion, in that order.
  readonly #gone = new Map<string, number>();

  /** Stores an object; returns whether it is new or changed. */
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

  /** Records that an object was deleted. */
  remove(uid: string, nowMs: number): void {
    if (this.#byUid.has(uid)) this.#gone.set(uid, nowMs);
  }

  /** The owner's own owner: null if it has none, undefined if the owner is unknown. */
  ownerOf(namespace: string, owner: OwnerReference): OwnerReference | null | undefined {
    const uid = owner.uid === "" ? this.#uidByName.get(nameOf(owner.kind, namespace, owner.name)) : owner.uid;
    return uid === undefined ? undefined : this.#byUid.get(uid)?.owner;
  }

  /** Drops objects deleted before a time, and the oldest deleted ones beyond `goneMax`. */
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
