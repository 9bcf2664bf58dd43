// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only

// One number for all sockets of the node that a file refers to: it changes whenever one of them is opened or
// closed, or changes its state or holder. The kernel computes the sum while it walks the files, so no records
// are copied: a third of their cost. The sum does not depend on the order, and its keys are random for each
// program, so that nobody can open sockets that cancel each other out.

import { closeSync } from "node:fs";

import { AF_INET, AF_INET6 } from "../constants.ts";
import { loadSock, TaskFileContext, writeMapValue } from "./bpf-helpers.ts";
import { BpfIterator } from "./bpf-iterator.ts";
import { BpfProgram } from "./bpf-program.ts";
import type { Register } from "./bpf-program.ts";
import { bpf } from "./bpf-syscall.ts";
import type { KernelTypes } from "./kernel-types.ts";

// enum bpf_cmd and enum bpf_map_type of include/uapi/linux/bpf.h.
const BPF_MAP_CREATE = 0;
const BPF_MAP_TYPE_ARRAY = 2;

/** The map's only value: the sum of the sockets' hashes, and their number. */
const Sums = { hash: 0, count: 8, bytes: 16 } as const;

/** The words that are hashed for each socket, on the stack: its holder, then its identity and state. */
const Words = { process: -16, fd: -12, inode: -8, localPort: -4, family: -2, state: -1 } as const;

/** The loaded program that computes the digest. */
export class SocketDigest {
  readonly #iterator: BpfIterator;

  private constructor(iterator: BpfIterator) {
    this.#iterator = iterator;
  }

  /**
   * Loads the program for sockets of some families; `target` is the id of bpf_iter_task_file. Needs
   * bpf_sock_from_file (5.11). Throws an error with the reason.
   */
  static load(types: KernelTypes, target: number, families: readonly number[]): SocketDigest {
    const map = createSumsMap();
    try {
      const program = assembleDigestProgram(types, map, families);
      return new SocketDigest(BpfIterator.load(program, target, Sums.bytes, 1));
    } finally {
      // The program holds its own reference.
      closeSync(map);
    }
  }

  /** Returns the digest as text; only equality is meaningful. Throws SyscallError, or the error of reading. */
  read(): string {
    return Buffer.from(this.#iterator.read().bytes).toString("hex");
  }

  close(): void {
    this.#iterator.close();
  }
}

/** Creates the array map with one value that holds the sums; returns its descriptor. Throws SyscallError. */
export function createSumsMap(): number {
  return bpf(
    BPF_MAP_CREATE,
    Uint32Array.of(BPF_MAP_TYPE_ARRAY, Uint32Array.BYTES_PER_ELEMENT, Sums.bytes, 1, 0, 0, 0, 0),
  );
}

/**
 * Assembles the program that computes the sums in the first value of an array map, by its descriptor. In it R6
 * is the context, R7 the task, R8 the file, R9 the sock.
 */
export function assembleDigestProgram(
  types: KernelTypes,
  map: number,
  families: readonly number[],
): BpfProgram {
  const program = new BpfProgram();
  program.move(6, 1);
  program.load(8, 1, 6, TaskFileContext.meta).load(8, 1, 1, types.of("bpf_iter_meta", "seq_num"));
  program.jumpIfDifferent(1, 0, "begun");
  program.mapValue(1, map).clear(1, Sums.hash).clear(1, Sums.count).label("begun");
  program.load(8, 7, 6, TaskFileContext.task).jumpIfEqual(7, 0, "end");
  program.load(8, 8, 6, TaskFileContext.file).jumpIfEqual(8, 0, "end");
  loadSock(program, types, 8, 9, "out");
  program.load(2, 1, 9, types.common("skc_family"));
  for (const family of families) program.jumpIfEqual(1, family, "known");
  program.jump("out").label("known");
  program.clear(10, Words.process).clear(10, Words.inode).store(1, 10, Words.family, 1);
  // Only internet sockets have ports.
  program.jumpIfEqual(1, AF_INET, "internet").jumpIfDifferent(1, AF_INET6, "elsewhere").label("internet");
  program.load(2, 1, 9, types.common("skc_num")).store(2, 10, Words.localPort, 1).label("elsewhere");
  program.load(1, 1, 9, types.common("skc_state")).store(1, 10, Words.state, 1);
  program.load(4, 1, 7, types.of("task_struct", "tgid")).store(4, 10, Words.process, 1);
  program.load(4, 1, 6, TaskFileContext.fd).store(4, 10, Words.fd, 1);
  program.load(8, 1, 8, types.of("file", "f_inode")).load(8, 1, 1, types.of("inode", "i_ino"));
  program.store(4, 10, Words.inode, 1);
  hashWords(program);
  program.mapValue(2, map);
  program.load(8, 3, 2, Sums.hash).sum(3, 1).store(8, 2, Sums.hash, 3);
  program.load(8, 3, 2, Sums.count).add(3, 1).store(8, 2, Sums.count, 3).jump("out");
  // The walk ends with a call without a file.
  program.label("end");
  writeMapValue(program, types, map, Sums.bytes);
  return program.label("out").set(0, 0).exit();
}

// Puts a hash of the words into R1; clobbers R2.
function hashWords(program: BpfProgram): void {
  program.load(8, 1, 10, Words.process);
  mix(program, 1, 32);
  program.load(8, 2, 10, Words.inode).sum(1, 2);
  mix(program, 1, 29);
  mix(program, 1, 32);
}

// Multiplies by a random odd key, so that different numbers stay different; clobbers R2.
function mix(program: BpfProgram, register: Register, shift: number): void {
  program.setWide(2, anyWord() | 1, anyWord()).multiply(register, 2);
  program.move(2, register).shiftRight(2, shift).xor(register, 2);
}

function anyWord(): number {
  return (Math.random() * 2 ** 32) | 0;
}
