// The BPF iterator's records of the whole node, and the digest that shows whether they changed since they were
// last read: reading the digest costs less than reading the records.

import { BTF_PATH } from "../kernel/bpf/kernel-types.ts";
import { SocketIterator } from "../kernel/bpf/socket-iterator.ts";
import { syscalls } from "../kernel/syscalls.ts";
import type { HeldSockets } from "../observation.ts";
import { TRAFFIC_TICKS } from "./freshness/change-gate.ts";
import { RecordIndex } from "./socket-records.ts";

/** Back off after this many changing digests in a row; the pause grows by one pass up to DIGEST_PAUSE_MAX. */
const DIGESTS_MOVED = 3;
const DIGEST_PAUSE_MAX = 15;

/** Reads the records, and indexes them. */
export class NodeRecords {
  readonly #btfPath: string;
  #iterator: SocketIterator | null = null;
  #index: RecordIndex | null = null;
  #readTicks = 0;
  #readable = false;
  #overflowed = 0;
  #failure: string | null = null;
  // The digest taken before the records were read, and the one that isUnchanged() read; undefined if it was
  // not called.
  #digest: string | null = null;
  #digestNow: string | null | undefined = undefined;
  #isAsked = false;
  // Digests in a row that differed from the previous one, and passes left in which none is read because of
  // that.
  #digestsMoved = 0;
  #digestPause = 0;

  constructor(btfPath: string = BTF_PATH) {
    this.#btfPath = btfPath;
  }

  /** Whether the latest reading succeeded. */
  get readable(): boolean {
    return this.#readable;
  }

  /** Why the latest reading failed; null if it did not. */
  get failure(): string | null {
    return this.#failure;
  }

  /** The index of the latest reading; only while `readable`. */
  get index(): RecordIndex {
    return this.#index!;
  }

  /** The time of the latest reading, in ticks. */
  get readTicks(): number {
    return this.#readTicks;
  }

  /** Every descriptor of a socket on the node; null while not `readable`. */
  get held(): HeldSockets | null {
    return this.#readable ? this.index.held : null;
  }

  /** Returns how many records did not fit into the iterator's buffer, once per reading. */
  takeOverflowed(): number {
    const overflowed = this.#overflowed;
    this.#overflowed = 0;
    return overflowed;
  }

  /** Whether the records are complete, and the digest shows that they are as they were last read. */
  isUnchanged(): boolean {
    if (!this.#readable || this.#overflowed > 0) return false;
    this.#isAsked = true;
    const digest = this.#readDigest();
    const isUnchanged = digest !== null && digest === this.#digest;
    // The digest of an unchanged pass is used up: it says nothing about the next one.
    this.#digestNow = isUnchanged ? undefined : digest;
    return isUnchanged;
  }

  /** Reads the records, unless the digest shows that nothing but data changed since they were last read. */
  read(nowTicks: number): void {
    const digest = this.#takeDigest();
    const isNew = nowTicks < this.#readTicks + TRAFFIC_TICKS;
    if (this.#readable && isNew && digest !== null && digest === this.#digest) return;
    this.#readable = false;
    this.#failure = null;
    try {
      this.#iterator ??= SocketIterator.load(this.#btfPath);
      this.#index ??= new RecordIndex(syscalls().jiffyNs());
      const records = this.#iterator.read();
      this.#readTicks = nowTicks;
      this.#overflowed = records.overflowed;
      this.#index.fill(records);
      this.#digest = records.overflowed === 0 ? digest : null;
      this.#readable = true;
    } catch (error) {
      this.#failure = (error as Error).message;
    }
  }

  // Returns the digest that isUnchanged() read in this pass, else reads it now. Null if the kernel reports
  // none, or if isUnchanged() was not called since the records were read: passes that far apart read the
  // records each time.
  #takeDigest(): string | null {
    const digest = this.#digestNow;
    const isAsked = this.#isAsked;
    this.#digestNow = undefined;
    this.#isAsked = false;
    if (digest !== undefined) return digest;
    return isAsked ? this.#readDigest() : null;
  }

  // A digest that keeps changing only adds to the cost of the records, so it is read in fewer and fewer
  // passes.
  #readDigest(): string | null {
    if (this.#iterator === null || this.#digestPause > 0) {
      this.#digestPause--;
      return null;
    }
    let digest: string | null = null;
    try {
      digest = this.#iterator.readDigest();
    } catch {
      // Reading the records will report the reason.
    }
    this.#digestsMoved = digest === this.#digest ? 0 : this.#digestsMoved + 1;
    this.#digestPause = Math.min(DIGEST_PAUSE_MAX, Math.max(0, this.#digestsMoved - DIGESTS_MOVED));
    return digest;
  }
}
