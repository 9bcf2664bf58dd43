// A BPF iterator (Documentation/bpf/bpf_iterators.rst): a program that the kernel runs for each object of a
// kind while a file is read, and that writes records into that file. It is attached to nothing: between two
// readings it does nothing.

import { closeSync, readSync } from "node:fs";

import type { BpfProgram } from "./bpf-program.ts";
import { bpf, loadBpfProgram } from "./bpf-syscall.ts";

// enum bpf_cmd and enum bpf_attach_type of include/uapi/linux/bpf.h.
const BPF_LINK_CREATE = 28;
const BPF_ITER_CREATE = 33;
export const BPF_TRACE_ITER = 28;

/** Bytes of one read: the kernel gives at most eight pages. */
const READ_BYTES = 32_768;

/** The kernel interrupts a walk over a million objects of which nothing is told: so often it may. */
const INTERRUPTIONS_MAX = 64;

/** What one reading gave; the bytes are valid until the next one. */
interface IteratorBytes {
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** How many records found no room. */
  readonly overflowed: number;
}

/** A loaded program of records of one size. */
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

  /** Loads a program for the iterator that a function of the kernel stands for. Throws with a reason. */
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

  /** One look at every object. Throws SyscallError, or the error of reading. */
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

  // Half as much again: doubling would waste the most where the most is needed.
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
