// Looks up offsets in the running kernel's structures in its BTF; the programs of the BPF iterators are
// assembled from them. The file (several MiB) is read when a program is assembled and freed at once.

import { readFileSync } from "node:fs";

import { Btf } from "./btf.ts";

/** Path of the kernel's BTF. */
export const BTF_PATH = "/sys/kernel/btf/vmlinux";

/** The kernel's types, as far as programs need them. */
export class KernelTypes {
  readonly #btf: Btf;

  constructor(btf: Btf) {
    this.#btf = btf;
  }

  /** Returns the id of a function; null if the kernel has none of this name. */
  functionId(name: string): number | null {
    return this.#btf.functionId(name);
  }

  /** Returns the id of a typedef; null if the kernel has none of this name. */
  typedefId(name: string): number | null {
    return this.#btf.typedefId(name);
  }

  /** Returns the offset in bytes of a structure's member. Throws if the kernel has no such member. */
  of(struct: string, ...path: readonly string[]): number {
    return this.bit(struct, ...path) >> 3;
  }

  /** Returns the same offset in bits. */
  bit(struct: string, ...path: readonly string[]): number {
    const bit = this.#btf.memberBit(struct, ...path);
    if (bit === null) throw new Error(`this kernel has no ${struct}.${path.join(".")}`);
    return bit;
  }

  /** Returns the offset in bytes of a member of the part common to all sockets. */
  common(name: string): number {
    return this.of("sock", "__sk_common", name);
  }

  /** Returns whether the kernel's structure has a member. */
  has(struct: string, ...path: readonly string[]): boolean {
    return this.#btf.memberBit(struct, ...path) !== null;
  }
}

/**
 * Reads the kernel's types, passes them to `use` and frees them. Throws an error with the reason if there are
 * none.
 */
export function withKernelTypes<Result>(path: string, use: (types: KernelTypes) => Result): Result {
  let bytes;
  try {
    bytes = readFileSync(path);
  } catch (error) {
    throw new Error(`${path} cannot be read: the kernel was built without BTF`, { cause: error });
  }
  try {
    const btf = Btf.parse(bytes);
    if (btf === null) throw new Error(`${path} has an unknown format`);
    return use(new KernelTypes(btf));
  } finally {
    // The garbage collector would keep this many bytes for long: transferring them frees them now. A small
    // file's bytes are in a shared buffer.
    if (bytes.length === bytes.buffer.byteLength) bytes.buffer.transfer(0);
  }
}
