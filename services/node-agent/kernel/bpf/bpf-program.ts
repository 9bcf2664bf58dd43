// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only

// Assembles the instructions of a BPF program (Documentation/bpf/standardization/instruction-set.rst) by name;
// only those that our programs need.

/**
 * Registers. R10 points to the end of the stack, R1 to R5 are arguments and clobbered by calls, R0 holds a
 * call's result.
 */
export type Register = 0 | 1 | 2 | 3 | 4 | 6 | 7 | 8 | 9 | 10;
export type Width = 1 | 2 | 4 | 8;

const load: Readonly<Record<Width, number>> = { 1: 0x71, 2: 0x69, 4: 0x61, 8: 0x79 };
const store: Readonly<Record<Width, number>> = { 1: 0x73, 2: 0x6b, 4: 0x63, 8: 0x7b };
const STORE_ZERO = 0x7a;
const MOVE = 0xbf;
const MOVE_CONSTANT = 0xb7;
const LOAD_WIDE = 0x18;
const ADD = 0x0f;
const MULTIPLY = 0x2f;
const XOR = 0xaf;
const SHIFT_RIGHT_CONSTANT = 0x77;
const ADD_CONSTANT = 0x07;
const AND_CONSTANT = 0x57;
const JUMP = 0x05;
const JUMP_EQUAL = 0x15;
const JUMP_DIFFERENT = 0x55;
const JUMP_REGISTERS_DIFFERENT = 0x5d;
const ATOMIC_WIDE = 0xdb;
const CALL = 0x85;
const EXIT = 0x95;

/**
 * Source registers of LOAD_WIDE: the instruction loads a map (BPF_PSEUDO_MAP_FD), or the address of a map's
 * first value (BPF_PSEUDO_MAP_VALUE).
 */
const MAP = 1;
const MAP_VALUE = 2;

/** Constant of ATOMIC_WIDE: BPF_ADD. */
const ATOMIC_ADD = 0;

interface Instruction {
  readonly opcode: number;
  readonly destination: number;
  readonly source: number;
  readonly offset: number;
  readonly constant: number;
  /** Label that a jump goes to. */
  readonly target?: string;
}

/** Builds a program instruction by instruction. */
export class BpfProgram {
  readonly #instructions: Instruction[] = [];
  readonly #labels = new Map<string, number>();

  /** Number of instructions so far. */
  get length(): number {
    return this.#instructions.length;
  }

  load(width: Width, into: Register, from: Register, offset: number): this {
    return this.#add(load[width], into, from, offset, 0);
  }

  store(width: Width, to: Register, offset: number, value: Register): this {
    return this.#add(store[width], to, value, offset, 0);
  }

  /** Writes eight zero bytes. */
  clear(to: Register, offset: number): this {
    return this.#add(STORE_ZERO, to, 0, offset, 0);
  }

  move(into: Register, from: Register): this {
    return this.#add(MOVE, into, from, 0, 0);
  }

  set(into: Register, constant: number): this {
    return this.#add(MOVE_CONSTANT, into, 0, 0, constant);
  }

  /** Sets 64 bits from their halves `low` and `high`. */
  setWide(into: Register, low: number, high: number): this {
    return this.#add(LOAD_WIDE, into, 0, 0, low).#add(0, 0, 0, 0, high);
  }

  /** Loads the address of the first value of an array map, by its descriptor. */
  mapValue(into: Register, map: number): this {
    return this.#add(LOAD_WIDE, into, MAP_VALUE, 0, map).#add(0, 0, 0, 0, 0);
  }

  /** Loads a map, by its descriptor, as helpers take it. */
  map(into: Register, map: number): this {
    return this.#add(LOAD_WIDE, into, MAP, 0, map).#add(0, 0, 0, 0, 0);
  }

  /** Adds a register to the 64 bits that another one points to, atomically. */
  addAtomically(to: Register, offset: number, value: Register): this {
    return this.#add(ATOMIC_WIDE, to, value, offset, ATOMIC_ADD);
  }

  sum(into: Register, other: Register): this {
    return this.#add(ADD, into, other, 0, 0);
  }

  multiply(into: Register, other: Register): this {
    return this.#add(MULTIPLY, into, other, 0, 0);
  }

  xor(into: Register, other: Register): this {
    return this.#add(XOR, into, other, 0, 0);
  }

  shiftRight(into: Register, bits: number): this {
    return this.#add(SHIFT_RIGHT_CONSTANT, into, 0, 0, bits);
  }

  add(into: Register, constant: number): this {
    return this.#add(ADD_CONSTANT, into, 0, 0, constant);
  }

  /** Keeps the bits that are set in the mask. */
  and(into: Register, mask: number): this {
    return this.#add(AND_CONSTANT, into, 0, 0, mask);
  }

  jump(label: string): this {
    return this.#add(JUMP, 0, 0, 0, 0, label);
  }

  jumpIfEqual(register: Register, constant: number, label: string): this {
    return this.#add(JUMP_EQUAL, register, 0, 0, constant, label);
  }

  jumpIfDifferent(register: Register, constant: number, label: string): this {
    return this.#add(JUMP_DIFFERENT, register, 0, 0, constant, label);
  }

  /** Jumps if the registers hold different values. */
  jumpUnlessSame(register: Register, other: Register, label: string): this {
    return this.#add(JUMP_REGISTERS_DIFFERENT, register, other, 0, 0, label);
  }

  call(helper: number): this {
    return this.#add(CALL, 0, 0, 0, helper);
  }

  exit(): this {
    return this.#add(EXIT, 0, 0, 0, 0);
  }

  /** Marks the target of jumps to this label. */
  label(name: string): this {
    this.#labels.set(name, this.#instructions.length);
    return this;
  }

  /** Encodes the program for the kernel: eight bytes per instruction. */
  encode(littleEndian: boolean): Uint8Array {
    const bytes = new Uint8Array(this.#instructions.length * 8);
    const view = new DataView(bytes.buffer);
    for (const [
      index,
      { opcode, destination, source, offset, constant, target },
    ] of this.#instructions.entries()) {
      const to = target === undefined ? offset : this.#labels.get(target)! - index - 1;
      view.setUint8(index * 8, opcode);
      view.setUint8(index * 8 + 1, littleEndian ? (source << 4) | destination : (destination << 4) | source);
      view.setInt16(index * 8 + 2, to, littleEndian);
      view.setInt32(index * 8 + 4, constant, littleEndian);
    }
    return bytes;
  }

  // oxlint-disable-next-line max-params -- the fields of struct bpf_insn, in their order
  #add(
    opcode: number,
    destination: number,
    source: number,
    offset: number,
    constant: number,
    target?: string,
  ): this {
    const jump = target === undefined ? {} : { target };
    this.#instructions.push({ opcode, destination, source, offset, constant, ...jump });
    return this;
  }
}
