// Checks the licence that the programs declare, and that the kernel requires it: it loads each program as it
// is and rejects it under the project's own licence.

import assert from "node:assert/strict";
import { closeSync, globSync, readFileSync } from "node:fs";
import path from "node:path";
import { describe, it } from "node:test";

import { syscalls } from "../syscalls.ts";
import { chooseReader } from "../../readers/choose-reader.ts";
import { Helper } from "./bpf-helpers.ts";
import { BPF_TRACE_ITER } from "./bpf-iterator.ts";
import { BpfProgram } from "./bpf-program.ts";
import { BPF_LICENSE, loadBpfProgram } from "./bpf-syscall.ts";
import type { KernelTypes } from "./kernel-types.ts";
import { BTF_PATH, withKernelTypes } from "./kernel-types.ts";
import { assemblePidProgram } from "./pid-namespace.ts";
import { assembleDigestProgram, createSumsMap } from "./socket-digest.ts";
import { assembleSocketProgram, SOCKET_FAMILIES } from "./socket-program.ts";
import { assembleTaskProgram } from "./task-iterator.ts";
import { RingBuffer } from "./trace/ring-buffer.ts";
import { assembleTcpStateProgram } from "./trace/tcp-state-program.ts";
import { BPF_TRACE_RAW_TP, TRACEPOINT } from "./trace/tcp-state-tracepoint.ts";

const obstacle = chooseReader("bpf-iter", { procRoot: "/proc", nowTicks: () => 0 }).probe();

/** What a program is for: the function of an iterator, or the type of a tracepoint. */
type Target = { readonly iterator: string } | { readonly tracepoint: string };

const taskIterator: Target = { iterator: "bpf_iter_task" };
const fileIterator: Target = { iterator: "bpf_iter_task_file" };

/** How it attaches, and to what; null where this kernel has no such thing. */
function attachmentOf(types: KernelTypes, target: Target): readonly [type: number, id: number | null] {
  return "iterator" in target
    ? [BPF_TRACE_ITER, types.functionId(target.iterator)]
    : [BPF_TRACE_RAW_TP, types.typedefId(target.tracepoint)];
}

/** What a program is for the kernel: "loads", or the verifier's reason. */
function load(types: KernelTypes, target: Target, program: BpfProgram, license: string): string {
  const [type, id] = attachmentOf(types, target);
  assert.ok(id !== null);
  try {
    closeSync(loadBpfProgram(program, type, id, license));
    return "loads";
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

const SPDX = "// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only\n";

describe("the licence of the files that assemble BPF programs", () => {
  const files = globSync("**/*.ts", { cwd: import.meta.dirname }).filter(
    (file) => !/\.test\.ts$|^testing\//.test(file),
  );
  for (const file of files) {
    const text = readFileSync(path.join(import.meta.dirname, file), "utf8");
    const assembles =
      /^export class BpfProgram /m.test(text) || /program\.(?:load|store|call|jump)\(/.test(text);
    it(`${file}: ${assembles ? "the programs'" : "the project's"}`, () => {
      assert.equal(text.startsWith(SPDX), assembles);
    });
  }
});

/** Descriptors of maps that programs write to. */
interface Maps {
  readonly array: number;
  readonly ring: number;
}

const restricted = /cannot call GPL-restricted function|non-GPL compatible program/;

describe("the licence of BPF programs", { skip: obstacle ?? false }, () => {
  const programs: ReadonlyArray<
    readonly [name: string, target: Target, assemble: (types: KernelTypes, maps: Maps) => BpfProgram]
  > = [
    ["sockets", fileIterator, (types) => assembleSocketProgram(types, 0)],
    ["digest", fileIterator, (types, { array }) => assembleDigestProgram(types, array, SOCKET_FAMILIES)],
    ["tasks", taskIterator, (types) => assembleTaskProgram(types, 0)],
    ["pid namespace", taskIterator, (types) => assemblePidProgram(types)],
    [
      "TCP states",
      { tracepoint: TRACEPOINT },
      (types, { ring, array }) => assembleTcpStateProgram(types, { ring, lost: array }, 0),
    ],
  ];
  for (const [name, target, assemble] of programs) {
    it(`${name}: GPL, and the kernel refuses Apache-2.0`, (t) => {
      assert.equal(BPF_LICENSE, "GPL");
      withKernelTypes(BTF_PATH, (types) => {
        if (attachmentOf(types, target)[1] === null) return t.skip("this kernel has nothing that it is for");
        const array = createSumsMap();
        const ring = new RingBuffer(syscalls().pageBytes(), syscalls().pageBytes());
        try {
          const program = assemble(types, { array, ring: ring.map });
          assert.equal(load(types, target, program, BPF_LICENSE), "loads");
          assert.match(load(types, target, program, "Apache-2.0"), restricted);
        } finally {
          ring.close();
          closeSync(array);
        }
      });
    });
  }

  it("a program that reads no struct and calls no restricted helper needs no GPL", () => {
    withKernelTypes(BTF_PATH, (types) => {
      const program = new BpfProgram().set(0, 0).exit();
      assert.equal(load(types, taskIterator, program, "Apache-2.0"), "loads");
    });
  });

  it("the helpers that are restricted are those that BPF_LICENSE names", () => {
    withKernelTypes(BTF_PATH, (types) => {
      const refused = Object.entries(Helper)
        .filter(([, helper]) => {
          const program = new BpfProgram().call(helper).set(0, 0).exit();
          return /GPL-restricted/.test(load(types, taskIterator, program, "Apache-2.0"));
        })
        .map(([name]) => name);
      assert.deepEqual(refused, ["probeReadKernel", "seqWrite", "currentTask"]);
    });
  });
});
