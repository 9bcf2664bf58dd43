// A BPF ring buffer (kernel/bpf/ringbuf.c), mapped into this process: the kernel appends records, the agent reads
// them without a system call.

import { closeSync } from "node:fs";

import { hostIsLittleEndian } from "../../byte-order.ts";
import { mappedMemory } from "../../mapped-memory.ts";
import type { MappedMemory } from "../../mapped-memory.ts";
import { bpf } from "../bpf-syscall.ts";

// enum bpf_cmd and enum bpf_map_type of include/uapi/linux/bpf.h.
const BPF_MAP_CREATE = 0;
const BPF_MAP_TYPE_RINGBUF = 27;

// BPF_RINGBUF_HDR_SZ and the bits of a header's length.
const HEADER_BYTES = 8;
const BUSY = 2 ** 31;
const DISCARDED = 2 ** 30;

/** Called with each record: bytes [start, start + length) of the view, valid during the call. */
export type TakeRecord = (view: DataView, start: number, length: number) => void;

/** A ring buffer with one reader. */
export class RingBuffer {
  /** Descriptor of the map, for programs that write to it. */
  readonly map: number;
  readonly #bytes: number;
  readonly #consumer: MappedMemory;
  readonly #producer: MappedMemory;
  readonly #consumed: BigUint64Array;
  readonly #produced: BigUint64Array;
  readonly #data: DataView;
  #position = 0n;

  /** Makes a ring buffer of `bytes`: a power of two and a multiple of the page. Throws SyscallError. */
  constructor(bytes: number, pageBytes: number) {
    this.#bytes = bytes;
    this.map = bpf(BPF_MAP_CREATE, Uint32Array.of(BPF_MAP_TYPE_RINGBUF, 0, 0, bytes, 0, 0, 0, 0));
    // The consumer's position, then the producer's, then the data twice in a row, so that no record is split.
    this.#consumer = mappedMemory(this.map, { bytes: pageBytes, offset: 0, writable: true });
    this.#producer = mappedMemory(this.map, {
      bytes: pageBytes + 2 * bytes,
      offset: pageBytes,
      writable: false,
    });
    this.#consumed = new BigUint64Array(this.#consumer.buffer, 0, 1);
    this.#produced = new BigUint64Array(this.#producer.buffer, 0, 1);
    this.#data = new DataView(this.#producer.buffer, pageBytes, 2 * bytes);
  }

  /** Whether a record waits. Reads memory only. */
  get waits(): boolean {
    return Atomics.load(this.#produced, 0) !== this.#position;
  }

  /** Bytes that wait to be read. */
  get waiting(): number {
    return Number(Atomics.load(this.#produced, 0) - this.#position);
  }

  /** Calls back for every record up to where the kernel is now; returns how many there were. */
  drain(take: TakeRecord): number {
    const data = this.#data;
    const produced = Atomics.load(this.#produced, 0);
    const toRead = Number(produced - this.#position);
    const first = Number(this.#position % BigInt(this.#bytes));
    let records = 0;
    let read = 0;
    while (read < toRead) {
      const header = (first + read) % this.#bytes;
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
    Atomics.store(this.#consumed, 0, this.#position);
    return records;
  }

  close(): void {
    this.#producer.unmap();
    this.#consumer.unmap();
    closeSync(this.map);
  }
}
