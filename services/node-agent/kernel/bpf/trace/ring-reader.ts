// The reader's side of a BPF ring buffer (kernel/bpf/ringbuf.c): takes records out of memory that the kernel
// appends to.

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
  readonly data: Uint8Array<ArrayBuffer>;
}

/** The one reader of a ring buffer. */
export class RingReader {
  readonly #memory: RingMemory;
  readonly #view: DataView;
  #position = 0n;

  constructor(memory: RingMemory) {
    const { data } = memory;
    this.#memory = memory;
    this.#view = new DataView(data.buffer, data.byteOffset, data.length);
  }

  /** Bytes that wait to be read. */
  get waiting(): number {
    return Number(Atomics.load(this.#memory.produced, 0) - this.#position);
  }

  /** Calls back for every record up to where the kernel is now; returns how many there were. */
  drain(take: TakeRecord): number {
    const { data, consumed } = this.#memory;
    const view = this.#view;
    const ringBytes = data.length;
    const toRead = this.waiting;
    const first = Number(this.#position % BigInt(ringBytes));
    let records = 0;
    let read = 0;
    while (read < toRead) {
      const header = (first + read) % ringBytes;
      // A header is never split: records and the ring are multiples of 8 bytes.
      const length = view.getUint32(header, hostIsLittleEndian);
      // Another CPU has reserved it and is still writing: it is read next time.
      if (length >= BUSY) break;
      const bytes = length % DISCARDED;
      if (length < DISCARDED) {
        const start = (header + HEADER_BYTES) % ringBytes;
        if (start + bytes <= ringBytes) take(view, start, bytes);
        else take(joined(data, start, bytes), 0, bytes);
        records++;
      }
      read += (HEADER_BYTES + bytes + 7) & ~7;
    }
    this.#position += BigInt(read);
    Atomics.store(consumed, 0, this.#position);
    return records;
  }
}

// A copy of a record that begins at the end of the ring and ends at its beginning. The kernel maps the data
// twice in a row, so that none is split, but each mapping counts towards the resident memory.
function joined(data: Uint8Array<ArrayBuffer>, start: number, bytes: number): DataView {
  const whole = new Uint8Array(bytes);
  const atEnd = data.subarray(start);
  whole.set(atEnd);
  whole.set(data.subarray(0, bytes - atEnd.length), atEnd.length);
  return new DataView(whole.buffer);
}
