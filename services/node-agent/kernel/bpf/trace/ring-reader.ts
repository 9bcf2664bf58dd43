// The reader's side of a BPF ring buffer (kernel/bpf/ringbuf.c): takes records out of memory that the kernel appends to.

import { hostIsLittleEndian } from "../../byte-order.ts";

// BPF_RINGBUF_HDR_SZ and the bits of a header's length.
const HEADER_BYTES = 8;
const BUSY = 2 ** 31;
const DISCARDED = 2 ** 30;

/** Called with each record: bytes [start, start + length) of the view, valid during the call. */
export type TakeRecord = (view: DataView, start: number, length: number) => void;

/** The memory of a ring buffer. */
interface RingMemory {
  /** Bytes read so far, which the kernel reads. */
  readonly consumed: BigUint64Array;
  /** Bytes written so far. */
  readonly produced: BigUint64Array;
  /** The data twice in a row, so that no record is split. */
  readonly data: DataView;
  /** Bytes of the data once. */
  readonly bytes: number;
}

/** The one reader of a ring buffer. */
export class RingReader {
  readonly #memory: RingMemory;
  #position = 0n;

  constructor(memory: RingMemory) {
    this.#memory = memory;
  }

  /** Bytes that wait to be read. */
  get waiting(): number {
    return Number(Atomics.load(this.#memory.produced, 0) - this.#position);
  }

  /** Calls back for every record up to where the kernel is now; returns how many there were. */
  drain(take: TakeRecord): number {
    const { data, bytes: ringBytes, consumed } = this.#memory;
    const toRead = this.waiting;
    const first = Number(this.#position % BigInt(ringBytes));
    let records = 0;
    let read = 0;
    while (read < toRead) {
      const header = (first + read) % ringBytes;
      const length = data.getUint32(header, hostIsLittleEndian);
      // Another CPU has reserved it and is still writing: it is read next time.
      if (length >= BUSY) break;
      const bytes = length % DISCARDED;
      if (length < DISCARDED) {
        take(data, header + HEADER_BYTES, bytes);
        records++;
      }
      read += (HEADER_BYTES + bytes + 7) & ~7;
    }
    this.#position += BigInt(read);
    Atomics.store(consumed, 0, this.#position);
    return records;
  }
}
