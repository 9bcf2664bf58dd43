// bpf(2) as far as iterators need it: loading a program, and commands whose attributes are a few numbers.

import { hostIsLittleEndian } from "../byte-order.ts";
import { EAGAIN, EPERM } from "../constants.ts";
import { bpfLibrary, SyscallError, syscalls } from "../syscalls.ts";
import type { BpfProgram } from "./bpf-program.ts";

/**
 * The licence that all our programs declare. The kernel requires a GPL-compatible one (include/linux/license.h
 * does not list Apache-2.0) for programs that read its structs through typed pointers (check_ptr_to_btf_access
 * of kernel/bpf/verifier.c), and for those that call bpf_seq_write, bpf_probe_read_kernel or
 * bpf_get_current_task_btf (gpl_only in kernel/trace/bpf_trace.c). Each of ours reads structs and calls
 * bpf_seq_write. These programs, and the files that assemble them, are therefore offered under Apache-2.0 OR
 * GPL-2.0-only, as the first line of each says: docs/adr/0007-bpf-programs-without-a-compiler.md.
 */
export const BPF_LICENSE = "GPL";

const BPF_PROG_LOAD = 5;
const BPF_PROG_TYPE_TRACING = 26;
const LOG_BYTES = 65_536;
/** Maximum load attempts: the verifier fails with EAGAIN while a signal is pending, such as a profiler's. */
const LOAD_TRIES = 20;

/**
 * Runs a command whose attributes are numbers only; returns the kernel's result, a descriptor. Throws
 * SyscallError.
 */
export function bpf(command: number, attributes: Uint32Array): number {
  const result = bpfLibrary().bpf(command, new Uint8Array(attributes.buffer), attributes.byteLength);
  if (result < 0) throw new SyscallError("bpf", syscalls().errorNumber());
  return result;
}

/** Loads a tracing program; returns its descriptor. Throws an error with the verifier's reason. */
export function loadBpfProgram(
  program: BpfProgram,
  attachType: number,
  functionId: number,
  license = BPF_LICENSE,
): number {
  const instructions = program.encode(hostIsLittleEndian);
  const log = new Uint8Array(LOG_BYTES);
  const load = (logLevel: number): number =>
    bpfLibrary().load({
      instructions,
      count: program.length,
      license,
      programType: BPF_PROG_TYPE_TRACING,
      attachType,
      functionId,
      logLevel,
      log,
      command: BPF_PROG_LOAD,
    });
  let errorNumber = EAGAIN;
  for (let tries = 0; errorNumber === EAGAIN && tries < LOAD_TRIES; tries++) {
    const descriptor = load(0);
    if (descriptor >= 0) return descriptor;
    errorNumber = syscalls().errorNumber();
  }
  if (errorNumber === EPERM) {
    throw new Error(
      "the kernel forbids BPF: that needs the capabilities BPF and PERFMON, and no seccomp profile against it",
    );
  }
  // Load it once more with a log, so that the verifier reports the reason.
  load(1);
  const text = Buffer.from(log.subarray(0, log.indexOf(0)))
    .toString("latin1")
    .trim();
  const last = text.split("\n").slice(-4).join("; ");
  throw new Error(
    `the kernel rejected the BPF program (errno ${errorNumber})${last === "" ? "" : `: ${last}`}`,
  );
}
