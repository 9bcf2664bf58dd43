// Parses the kernel's own description of its types, /sys/kernel/btf/vmlinux (Documentation/bpf/btf.rst):
// offsets of structure members, and the ids of functions. It is read once for a few names and not kept.

const MAGIC = 0xeb9f;
const KIND_STRUCT = 4;
const KIND_UNION = 5;
const KIND_TYPEDEF = 8;
const KIND_FUNC = 12;
/** Bytes after the twelve of a type, by kind: fixed ones, and those of each of its elements. */
const fixedBytes: readonly number[] = [0, 4, 0, 12, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 0, 0, 4, 0, 0];
const elementBytes: readonly number[] = [0, 0, 0, 0, 12, 12, 8, 0, 0, 0, 0, 0, 0, 8, 0, 12, 0, 0, 0, 12];
const TYPE_BYTES = 12;
const MEMBER_BYTES = 12;

/** Maximum nesting of unnamed structures that are searched. */
const DEPTH_MAX = 8;

/** The types of a kernel. */
export class Btf {
  readonly #bytes: Buffer;
  readonly #view: DataView;
  readonly #littleEndian: boolean;
  readonly #strings: number;
  // Position of each type, by its id less one.
  readonly #positions: Uint32Array;

  private constructor(bytes: Uint8Array, littleEndian: boolean) {
    this.#bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    this.#littleEndian = littleEndian;
    const header = this.#word(4);
    this.#strings = header + this.#word(16);
    this.#positions = this.#index(header + this.#word(8), this.#word(12));
  }

  /** Parses a whole file of types; null if it is malformed or has an unknown kind of type. */
  static parse(bytes: Uint8Array): Btf | null {
    if (bytes.length < 24) return null;
    const magic = new DataView(bytes.buffer, bytes.byteOffset).getUint16(0, true);
    if (magic !== MAGIC && magic !== 0x9feb) return null;
    try {
      return new Btf(bytes, magic === MAGIC);
    } catch (error) {
      if (error instanceof RangeError) return null;
      throw error;
    }
  }

  /** Returns the id of a function; null if the kernel has none of this name. */
  functionId(name: string): number | null {
    return this.#find(name, KIND_FUNC);
  }

  /** Returns the id of a typedef; null if the kernel has none of this name. */
  typedefId(name: string): number | null {
    return this.#find(name, KIND_TYPEDEF);
  }

  /**
   * Returns the offset in bits of a structure's member, through nested structures: memberBit("sock",
   * "__sk_common", "skc_num"). Null if it does not exist.
   */
  memberBit(struct: string, ...path: readonly string[]): number | null {
    let id = this.#find(struct, KIND_STRUCT);
    let bits = 0;
    for (const name of path) {
      const member = id === null ? null : this.#member(id, name, DEPTH_MAX);
      if (member === null) return null;
      bits += member.bit;
      id = member.type;
    }
    return bits;
  }

  #word(at: number): number {
    return this.#view.getUint32(at, this.#littleEndian);
  }

  #index(from: number, length: number): Uint32Array {
    // A type has at least twelve bytes, so this has room for all; the unused rest is freed with the parser.
    const positions = new Uint32Array(Math.ceil(length / TYPE_BYTES));
    let count = 0;
    for (let at = from; at < from + length;) {
      positions[count++] = at;
      const info = this.#word(at + 4);
      const kind = (info >>> 24) & 31;
      const fixed = fixedBytes[kind];
      if (fixed === undefined) throw new RangeError(`a type of kind ${kind}`);
      at += TYPE_BYTES + fixed + (info & 0xffff) * elementBytes[kind]!;
    }
    return positions.subarray(0, count);
  }

  #find(name: string, kind: number): number | null {
    const found = this.#bytes.indexOf(`\0${name}\0`, this.#strings);
    if (found < 0) return null;
    const nameOffset = found + 1 - this.#strings;
    for (let index = 0; index < this.#positions.length; index++) {
      const at = this.#positions[index]!;
      if (this.#word(at) === nameOffset && ((this.#word(at + 4) >>> 24) & 31) === kind) return index + 1;
    }
    return null;
  }

  #member(id: number, name: string, depth: number): { readonly bit: number; readonly type: number } | null {
    const at = this.#positions[id - 1];
    if (at === undefined || depth === 0) return null;
    const info = this.#word(at + 4);
    const kind = (info >>> 24) & 31;
    if (kind !== KIND_STRUCT && kind !== KIND_UNION) return null;
    for (let index = 0; index < (info & 0xffff); index++) {
      const member = at + TYPE_BYTES + index * MEMBER_BYTES;
      const type = this.#word(member + 4);
      const bit = info >>> 31 === 1 ? this.#word(member + 8) & 0xffffff : this.#word(member + 8);
      const nameOffset = this.#word(member);
      if (nameOffset !== 0) {
        if (this.#isNamed(nameOffset, name)) return { bit, type };
        continue;
      }
      const inner = this.#member(type, name, depth - 1);
      if (inner !== null) return { bit: bit + inner.bit, type: inner.type };
    }
    return null;
  }

  #isNamed(nameOffset: number, name: string): boolean {
    const at = this.#strings + nameOffset;
    return (
      this.#bytes[at + name.length] === 0 && this.#bytes.toString("latin1", at, at + name.length) === name
    );
  }
}
