// Offsets in the kernel's structures, from the BTF of the kernel that runs: what the programs of the BPF
// iterators are assembled from. The file (several MiB) is read when a program is assembled and given back at
// once.

import { readFileSync } from "node:fs";

import { Btf } from "./btf.ts";

/** Where the kernel keeps its BTF. */
export const BTF_PATH = "/sys/kernel/btf/vmlinux";

/** The types of a kernel, as far as programs ask for them. */
export class KernelTypes {
  readonly #btf: Btf;

  constructor(btf: Btf) {
    this.#btf = btf;
  }

  /** The number of a function; null where the kernel has none of this name. */
  functionId(name: string): number | null {
    return this.#btf.functionId(name);
  }

  /** Bytes from the beginning of a structure to a member of it. Throws where the kernel has no such member. */
  of(struct: string, ...path: readonly string[]): number {
    return this.bit(struct, ...path) >> 3;
  }

  /** The same in bits. */
  bit(struct: string, ...path: readonly string[]): number {
    const bit = this.#btf.memberBit(struct, ...path);
    if (bit === null) throw new Error(`this kernel has no ${struct}.${path.join(".")}`);
    return bit;
  }

  /** Bytes to a member of a socket's part that is common to all of them. */
  common(name: string): number {
    return this.of("sock", "__sk_common", name);
  }

  /** Whether the kernel's structure has a member. */
  has(struct: string, ...path: readonly string[]): boolean {
    return this.#btf.memberBit(struct, ...path) !== null;
  }
}

/**
 * Reads the kernel's types, hands them to `use` and forgets them. Throws with a reason where there are none.
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
    if (btf === null) throw new Error(`${path} is of a form that is not known`);
    return use(new KernelTypes(btf));
  } finally {
    // The collector would let these many bytes lie for long: moving them to nowhere frees them now. A small
    // file's are in a buffer that others share.
    if (bytes.length === bytes.buffer.byteLength) bytes.buffer.transfer(0);
  }
}
