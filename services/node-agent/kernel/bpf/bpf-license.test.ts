// Checks the licence that the programs declare, and that the kernel requires it: it loads each program as it
// is and rejects it under the project's own licence.

import assert from "node:assert/strict";
import { closeSync, globSync, readFileSync } from "node:fs";
import path from "node:path";
import { describe, it } from "node:test";

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

const obstacle = chooseReader("bpf-iter", { procRoot: "/proc", nowTicks: () => 0 }).probe();

/** Returns "loads", or the verifier's reason for rejecting a program. */
function load(types: KernelTypes, iterator: string, program: BpfProgram, license: string): string {
  const target = types.functionId(iterator);
  assert.ok(target !== null);
  try {
    closeSync(loadBpfProgram(program, BPF_TRACE_ITER, target, license));
    return "loads";
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

const SPDX = "// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only\n";

describe("the licence of the files that assemble BPF programs", () => {
  const files = globSync("*.ts", { cwd: import.meta.dirname }).filter((file) => !file.endsWith(".test.ts"));
  for (const file of files) {
    const text = readFileSync(path.join(import.meta.dirname, file), "utf8");
    const assembles =
      /^export class BpfProgram /m.test(text) || /program\.(?:load|store|call|jump)\(/.test(text);
    it(`${file}: ${assembles ? "the programs'" : "the project's"}`, () => {
      assert.equal(text.startsWith(SPDX), assembles);
    });
  }
});

const restricted = /cannot call GPL-restricted function|non-GPL compatible program/;

describe("the licence of BPF programs", { skip: obstacle ?? false }, () => {
  const programs: ReadonlyArray<
    readonly [name: string, iterator: string, assemble: (types: KernelTypes, map: number) => BpfProgram]
  > = [
    ["sockets", "bpf_iter_task_file", (types) => assembleSocketProgram(types, 0)],
    ["digest", "bpf_iter_task_file", (types, map) => assembleDigestProgram(types, map, SOCKET_FAMILIES)],
    ["tasks", "bpf_iter_task", (types) => assembleTaskProgram(types, 0)],
    ["pid namespace", "bpf_iter_task", (types) => assemblePidProgram(types)],
  ];
  for (const [name, iterator, assemble] of programs) {
    it(`${name}: GPL, and the kernel refuses Apache-2.0`, () => {
      assert.equal(BPF_LICENSE, "GPL");
      const map = createSumsMap();
      try {
        withKernelTypes(BTF_PATH, (types) => {
          const program = assemble(types, map);
          assert.equal(load(types, iterator, program, BPF_LICENSE), "loads");
          assert.match(load(types, iterator, program, "Apache-2.0"), restricted);
        });
      } finally {
        closeSync(map);
      }
    });
  }

  it("a program that reads no struct and calls no restricted helper needs no GPL", () => {
    withKernelTypes(BTF_PATH, (types) => {
      const program = new BpfProgram().set(0, 0).exit();
      assert.equal(load(types, "bpf_iter_task", program, "Apache-2.0"), "loads");
    });
  });

  it("the helpers that are restricted are those that BPF_LICENSE names", () => {
    withKernelTypes(BTF_PATH, (types) => {
      const refused = Object.entries(Helper)
        .filter(([, helper]) => {
          const program = new BpfProgram().call(helper).set(0, 0).exit();
          return /GPL-restricted/.test(load(types, "bpf_iter_task", program, "Apache-2.0"));
        })
        .map(([name]) => name);
      assert.deepEqual(refused, ["probeReadKernel", "seqWrite", "currentTask"]);
    });
  });
});
