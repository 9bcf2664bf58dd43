// Records of network namespaces that no reading has named yet: a new pod's first connections, or those of
// another machine on the same kernel (kind), whose processes are in no pid namespace of ours. They wait until
// the namespace is named, and are dropped if it is not.

import type { TakeRecord } from "../kernel/bpf/trace/ring-reader.ts";

/** Ticks of 10 ms for which records wait for their namespace: 10 s. */
const WAIT_TICKS = 1000;

/** Bytes that wait at most, of all namespaces together (1 MiB of each). */
const BYTES_MAX = 8 * 2 ** 20;
const NAMESPACE_BYTES_MAX = 2 ** 20;

/** Namespaces of strangers that are remembered at most. */
const STRANGERS_MAX = 4096;

interface Waiting {
  readonly inode: number;
  bytes: Uint8Array<ArrayBuffer>;
  readonly lengths: number[];
  used: number;
  dropped: number;
  readonly sinceTicks: number;
}

/** The network namespace of a record. */
export interface RecordNamespace {
  readonly inode: number;
  /** 0 if the kernel gives namespaces none. */
  readonly cookie: number;
}

/** Records that wait, by the inode of their namespace. */
export class UnplacedRecords {
  /** Records of namespaces that were never named, since start. */
  ofStrangers = 0;
  /** Records of namespaces that were named later that found no room, since start. */
  overflowed = 0;
  readonly #waiting = new Map<number, Waiting>();
  readonly #strangers = new Set<number>();
  #bytes = 0;

  /** Inodes of the namespaces that records wait for. */
  *inodes(): Generator<number> {
    for (const { inode } of this.#waiting.values()) yield inode;
  }

  get isEmpty(): boolean {
    return this.#waiting.size === 0;
  }

  /** Whether every record of a namespace waits; without a cookie it is identified by its inode. */
  waitsFor(inode: number, cookie: number | undefined): boolean {
    for (const [key, waiting] of this.#waiting)
      if (waiting.inode === inode && (cookie === undefined || key < 0 || key === cookie))
        return waiting.dropped === 0;
    return false;
  }

  /** Keeps a copy of a record, which has the time `ticks`. */
  add(of: RecordNamespace, view: DataView, at: number, length: number, ticks: number): void {
    const namespace = keyOf(of);
    if (this.#strangers.has(namespace)) {
      this.ofStrangers++;
      return;
    }
    let waiting = this.#waiting.get(namespace);
    if (waiting === undefined) {
      waiting = {
        inode: of.inode,
        bytes: new Uint8Array(1024),
        lengths: [],
        used: 0,
        dropped: 0,
        sinceTicks: ticks,
      };
      this.#waiting.set(namespace, waiting);
    }
    if (waiting.used + length > NAMESPACE_BYTES_MAX || this.#bytes + length > BYTES_MAX) {
      waiting.dropped++;
      return;
    }
    if (waiting.used + length > waiting.bytes.length) {
      const grown = new Uint8Array(waiting.bytes.length * 2);
      grown.set(waiting.bytes);
      waiting.bytes = grown;
    }
    waiting.bytes.set(new Uint8Array(view.buffer, view.byteOffset + at, length), waiting.used);
    waiting.lengths.push(length);
    waiting.used += length;
    this.#bytes += length;
  }

  /**
   * Hands out the records of namespaces that are named now, in their order, and gives up those that waited
   * too long.
   */
  place(isNamed: (of: RecordNamespace) => boolean, ticks: number, take: TakeRecord): void {
    // The inode of a stranger's namespace may be another one's by now.
    for (const key of this.#strangers)
      if (key < 0 && isNamed({ inode: -key, cookie: 0 })) this.#strangers.delete(key);
    for (const [namespace, waiting] of this.#waiting) {
      if (isNamed({ inode: waiting.inode, cookie: Math.max(0, namespace) })) {
        this.#remove(namespace, waiting);
        this.overflowed += waiting.dropped;
        const view = new DataView(waiting.bytes.buffer);
        let at = 0;
        for (const length of waiting.lengths) {
          take(view, at, length);
          at += length;
        }
      } else if (ticks - waiting.sinceTicks > WAIT_TICKS) {
        this.#remove(namespace, waiting);
        this.ofStrangers += waiting.lengths.length + waiting.dropped;
        if (this.#strangers.size >= STRANGERS_MAX) this.#strangers.clear();
        this.#strangers.add(namespace);
      }
    }
  }

  #remove(namespace: number, { used }: Waiting): void {
    this.#waiting.delete(namespace);
    this.#bytes -= used;
  }
}

// Inodes are used again, cookies are not.
function keyOf({ inode, cookie }: RecordNamespace): number {
  return cookie === 0 ? -inode : cookie;
}
