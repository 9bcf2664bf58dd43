// The objects of one kind that a list and watch has reported to its handler.

/** Receives objects. */
export interface ObjectHandler {
  /** An object is new, changed, or (after a new list) still there. Returns false if it is malformed. */
  put(object: unknown, listed: boolean): boolean;
  /** An object is gone. */
  remove(uid: string): void;
}

/** What identifies an object and its version. */
interface Metadata {
  readonly uid: string;
  readonly resourceVersion: string;
}

/** Counts of objects. */
export interface ObjectCounts {
  readonly objects: number;
  /** Complete lists so far. */
  readonly lists: number;
  /** Objects dropped because objectsMax was reached. */
  readonly overflowed: number;
  /** Malformed objects. */
  readonly malformed: number;
}

/** The known objects. */
export class KnownObjects {
  /** Malformed objects, since start. */
  malformed = 0;
  readonly #handler: ObjectHandler;
  readonly #objectsMax: number;
  // Uid → number of the last list attempt that included it; objects missing from a new list are gone.
  readonly #known = new Map<string, number>();
  #attempt = 0;
  #lists = 0;
  #overflowed = 0;

  constructor(handler: ObjectHandler, objectsMax: number) {
    this.#handler = handler;
    this.#objectsMax = objectsMax;
  }

  get counts(): ObjectCounts {
    return {
      objects: this.#known.size,
      lists: this.#lists,
      overflowed: this.#overflowed,
      malformed: this.malformed,
    };
  }

  /** Begins an attempt to list every object. */
  beginList(): void {
    this.#attempt++;
  }

  /** Ends a complete list: objects that it did not contain are removed. */
  endList(): void {
    for (const [uid, attempt] of this.#known) if (attempt !== this.#attempt) this.remove(uid);
    this.#lists++;
  }

  /** Stores an object of a list, or of a watch. */
  put(object: unknown, listed: boolean): void {
    const metadata = metadataOf(object);
    if (metadata === null || metadata.uid === "") {
      this.malformed++;
      return;
    }
    if (!this.#known.has(metadata.uid) && this.#known.size >= this.#objectsMax) {
      this.#overflowed++;
      return;
    }
    this.#known.set(metadata.uid, this.#attempt);
    if (!this.#handler.put(object, listed)) this.malformed++;
  }

  /** Removes an object, if it is known. */
  remove(uid: string): void {
    if (this.#known.delete(uid)) this.#handler.remove(uid);
  }
}

/** Returns an object's metadata, or null if it has none. A bookmark has no uid; everything else has both. */
export function metadataOf(object: unknown): Metadata | null {
  const metadata = (object as { metadata?: { uid?: unknown; resourceVersion?: unknown } } | null)?.metadata;
  if (typeof metadata?.resourceVersion !== "string") return null;
  return {
    uid: typeof metadata.uid === "string" ? metadata.uid : "",
    resourceVersion: metadata.resourceVersion,
  };
}
