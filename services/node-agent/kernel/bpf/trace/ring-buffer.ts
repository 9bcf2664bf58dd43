// A BPF ring buffer (kernel/bpf/ringbuf.c), mapped into this process: the kernel appends records, the agent
// reads them without a system call.

import { closeSync } from "node:fs";

import { mappedMemory } from "../../mapped-memory.ts";
import type { MappedMemory } from "../../mapped-memory.ts";
import { bpf } from "../bpf-syscall.ts";
import type { TakeRecord } from "./ring-reader.ts";
import { RingReader } from "./ring-reader.ts";

// enum bpf_cmd and enum bpf_map_type of include/uapi/linux/bpf.h.
const BPF_MAP_CREATE = 0;
const BPF_MAP_TYPE_RINGBUF = 27;

/** A ring buffer with one reader. */
export class RingBuffer {
  /** Descriptor of the map, for programs that write to it. */
  readonly map: number;
  readonly #consumer: MappedMemory;
  readonly #producer: MappedMemory;
  readonly #reader: RingReader;

  /** Makes a ring buffer of `bytes`: a power of two and a multiple of the page. Throws SyscallError. */
  constructor(bytes: number, pageBytes: number) {
    this.map = bpf(BPF_MAP_CREATE, Uint32Array.of(BPF_MAP_TYPE_RINGBUF, 0, 0, bytes, 0, 0, 0, 0));
    try {
      // The consumer's position, then the producer's, then the data twice in a row, of which once is enough.
      this.#consumer = mappedMemory(this.map, { bytes: pageBytes, offset: 0, writable: true });
      const producerBytes = pageBytes + bytes;
      this.#producer = mappedMemory(this.map, { bytes: producerBytes, offset: pageBytes, writable: false });
    } catch (error) {
      closeSync(this.map);
      throw error;
    }
    this.#reader = new RingReader({
      consumed: new BigUint64Array(this.#consumer.buffer, 0, 1),
      produced: new BigUint64Array(this.#producer.buffer, 0, 1),
      data: new Uint8Array(this.#producer.buffer, pageBytes, bytes),
    });
  }

  /** Bytes that wait to be read. Reads memory only. */
  get waiting(): number {
    return this.#reader.waiting;
  }

  /** Calls back for every record up to where the kernel is now; returns how many there were. */
  drain(take: TakeRecord): number {
    return this.#reader.drain(take);
  }

  close(): void {
    this.#producer.unmap();
    this.#consumer.unmap();
    closeSync(this.map);
  }
}
