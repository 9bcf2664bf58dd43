// A BPF iterator (Documentation/bpf/bpf_iterators.rst): a program that the kernel runs for each object of a
// kind while a file is read, and that writes records to that file. It is not attached to any event: between
// two reads it does not run.

import { closeSync, readSync } from "node:fs";

import type { BpfProgram } from "./bpf-program.ts";
import { bpf, loadBpfProgram } from "./bpf-syscall.ts";

// enum bpf_cmd and enum bpf_attach_type of include/uapi/linux/bpf.h.
const BPF_LINK_CREATE = 28;
const BPF_ITER_CREATE = 33;
export const BPF_TRACE_ITER = 28;

/** Bytes of one read: the kernel returns at most eight pages. */
const READ_BYTES = 32_768;

/** Maximum EAGAINs per read: the kernel interrupts a walk over a million objects that write no record. */
const INTERRUPTIONS_MAX = 64;

/** The result of one reading; the bytes are valid until the next one. */
interface IteratorBytes {
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** Records that did not fit. */
  readonly overflowed: number;
}

/** A loaded program that writes records of one size. */
export class BpfIterator {
  readonly #link: number;
  readonly #recordBytes: number;
  readonly #recordsMax: number;
  #buffer = new Uint8Array(2 * READ_BYTES);

  private constructor(link: number, recordBytes: number, recordsMax: number) {
    this.#link = link;
    this.#recordBytes = recordBytes;
    this.#recordsMax = recordsMax;
  }

  /** Loads a program for the iterator with this BTF function id. Throws an error with the reason. */
  static load(program: BpfProgram, functionId: number, recordBytes: number, recordsMax: number): BpfIterator {
    const descriptor = loadBpfProgram(program, BPF_TRACE_ITER, functionId);
    try {
      const attributes = new Uint32Array(8);
      attributes[0] = descriptor;
      attributes[2] = BPF_TRACE_ITER;
      return new BpfIterator(bpf(BPF_LINK_CREATE, attributes), recordBytes, recordsMax);
    } finally {
      closeSync(descriptor);
    }
  }

  /** Walks every object and returns the records. Throws SyscallError, or the error of reading. */
  read(): IteratorBytes {
    const attributes = new Uint32Array(8);
    attributes[0] = this.#link;
    const descriptor = bpf(BPF_ITER_CREATE, attributes);
    let length = 0;
    let overflowed = 0;
    try {
      for (;;) {
        if (length + READ_BYTES > this.#buffer.length) this.#grow(length);
        const count = readMore(descriptor, this.#buffer, length);
        if (count === 0) break;
        if (length + count > this.#recordsMax * this.#recordBytes) overflowed += count / this.#recordBytes;
        else length += count;
      }
    } finally {
      closeSync(descriptor);
    }
    return { bytes: this.#buffer.subarray(0, length - (length % this.#recordBytes)), overflowed };
  }

  close(): void {
    closeSync(this.#link);
  }

  // Grow by half: doubling would waste the most memory where the most is needed.
  #grow(length: number): void {
    const grown = new Uint8Array(Math.ceil((this.#buffer.length * 1.5) / READ_BYTES) * READ_BYTES);
    grown.set(this.#buffer.subarray(0, length));
    this.#buffer = grown;
  }
}

function readMore(descriptor: number, buffer: Uint8Array, at: number): number {
  for (let interruptions = 0; ; interruptions++) {
    try {
      return readSync(descriptor, buffer, at, READ_BYTES, null);
    } catch (error) {
      const goesOn = (error as NodeJS.ErrnoException).code === "EAGAIN";
      if (!goesOn || interruptions >= INTERRUPTIONS_MAX) throw error;
    }
  }
}
