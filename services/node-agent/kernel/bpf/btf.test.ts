import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { describe, it } from "node:test";

import fc from "fast-check";

import { BpfProgram } from "./bpf-program.ts";
import { Btf } from "./btf.ts";

const PATH = "/sys/kernel/btf/vmlinux";

function struct(flag: number, members: number): number {
  return ((flag << 31) | (4 << 24) | members) >>> 0;
}

// Builds struct pair { int a; struct { int b:3; int c; }; }; and a function: types 1 to 4.
function sample(): Uint8Array {
  const strings = "\0int\0pair\0a\0b\0c\0go\0";
  const at = (name: string): number => strings.indexOf(`\0${name}\0`) + 1;
  const types = [
    [at("int"), 1 << 24, 4, 32],
    [0, struct(1, 2), 8, at("b"), 1, (3 << 24) | 0, at("c"), 1, 32],
    [at("pair"), struct(0, 2), 12, at("a"), 1, 0, 0, 2, 32],
    [at("go"), 12 << 24, 0],
  ].flat();
  const header = [0x0001_eb9f, 24, 0, types.length * 4, types.length * 4, strings.length];
  const bytes = new Uint8Array((header.length + types.length) * 4 + strings.length);
  bytes.set(new Uint8Array(Uint32Array.from([...header, ...types]).buffer));
  bytes.set(Buffer.from(strings), (header.length + types.length) * 4);
  return bytes;
}

describe("the kernel's types", () => {
  it("find members, also in unnamed structures and among bit fields", () => {
    const btf = Btf.parse(sample())!;
    assert.equal(btf.memberBit("pair", "a"), 0);
    assert.equal(btf.memberBit("pair", "b"), 32);
    assert.equal(btf.memberBit("pair", "c"), 64);
    assert.equal(btf.memberBit("pair", "d"), null);
    assert.equal(btf.memberBit("go", "a"), null);
    assert.equal(btf.functionId("go"), 4);
    assert.equal(btf.functionId("pair"), null);
  });

  it("are none in any other bytes", () => {
    assert.equal(Btf.parse(new Uint8Array(3)), null);
    const flipped = fc.tuple(fc.nat(sample().length - 1), fc.nat(255));
    fc.assert(
      fc.property(fc.array(flipped, { maxLength: 5 }), (changes) => {
        const bytes = sample();
        for (const [index, value] of changes) bytes[index] = value;
        const btf = Btf.parse(bytes);
        if (btf === null) return;
        try {
          btf.memberBit("pair", "b");
        } catch (error) {
          assert.ok(error instanceof RangeError);
        }
      }),
    );
  });

  it(
    "of this machine have what the iterator needs",
    { skip: existsSync(PATH) ? false : `needs ${PATH}` },
    () => {
      const btf = Btf.parse(readFileSync(PATH))!;
      assert.equal(btf.memberBit("sock", "__sk_common"), 0);
      assert.ok(btf.memberBit("tcp_sock", "inet_conn", "icsk_retransmits")! > 0);
      assert.ok(btf.functionId("bpf_iter_task_file")! > 0);
    },
  );
});

describe("a BPF program", () => {
  it("is eight bytes an instruction, and jumps count from behind themselves", () => {
    const program = new BpfProgram().jumpIfEqual(1, 7, "end").load(4, 2, 6, -8).label("end").set(0, 0).exit();
    assert.deepEqual(
      [...program.encode(true)],
      [
        0x15, 1, 1, 0, 7, 0, 0, 0, 0x61, 0x62, 0xf8, 0xff, 0, 0, 0, 0, 0xb7, 0, 0, 0, 0, 0, 0, 0, 0x95, 0, 0,
        0, 0, 0, 0, 0,
      ],
    );
    assert.deepEqual([...program.encode(false).subarray(8, 12)], [0x61, 0x26, 0xff, 0xf8]);
  });
});
