// A smaller program than that of socket-program.ts: of each socket only what tells whether it is the one that was there
// before, a tenth of a record. Half of what records cost is saved where nothing came, went or changed its state.

import { BpfProgram } from "./bpf-program.ts";
import type { KernelTypes } from "./kernel-types.ts";
import { loadPid } from "./pid-namespace.ts";

// Helpers by number (include/uapi/linux/bpf.h), and the version they came with.
const SEQ_WRITE = 127; // 5.8
const SOCK_FROM_FILE = 162; // 5.11

const AF_INET = 2;
const AF_INET6 = 10;

// struct bpf_iter__task_file.
const CONTEXT = { meta: 0, task: 8, fd: 16, file: 24 } as const;

/** Where the fields of a mark are, in bytes; numbers are in the host's order. */
export const SocketMark = {
  pid: 0,
  fd: 4,
  inode: 8,
  localPort: 12,
  family: 14,
  state: 15,
  bytes: 16,
} as const;

/** Assembles the program for sockets of some families, in the order of the records. Needs bpf_sock_from_file. */
export function assembleMarksProgram(
  types: KernelTypes,
  pidLevel: number,
  families: readonly number[],
): BpfProgram {
  const mark = (field: number): number => field - SocketMark.bytes;
  const program = new BpfProgram();
  // R6 is the context, R7 the task, R8 the file, R9 the sock.
  program.move(6, 1);
  program.load(8, 7, 6, CONTEXT.task).jumpIfEqual(7, 0, "out");
  program.load(8, 8, 6, CONTEXT.file).jumpIfEqual(8, 0, "out");
  program.move(1, 8).call(SOCK_FROM_FILE).jumpIfEqual(0, 0, "out");
  program.load(8, 9, 0, types.of("socket", "sk")).jumpIfEqual(9, 0, "out");
  program.load(2, 1, 9, types.common("skc_family"));
  for (const family of families) program.jumpIfEqual(1, family, "known");
  program.jump("out").label("known");
  program.clear(10, mark(0)).clear(10, mark(8));
  program.store(1, 10, mark(SocketMark.family), 1);
  program.load(1, 1, 9, types.common("skc_state")).store(1, 10, mark(SocketMark.state), 1);
  // Ports are internet sockets' alone, in records too.
  program.load(1, 1, 10, mark(SocketMark.family));
  program.jumpIfEqual(1, AF_INET, "internet").jumpIfDifferent(1, AF_INET6, "elsewhere").label("internet");
  program.load(2, 1, 9, types.common("skc_num")).store(2, 10, mark(SocketMark.localPort), 1);
  program.label("elsewhere");
  loadPid(program, types, 7, pidLevel, "out");
  program.store(4, 10, mark(SocketMark.pid), 1);
  program.load(4, 1, 6, CONTEXT.fd).store(4, 10, mark(SocketMark.fd), 1);
  program.load(8, 1, 8, types.of("file", "f_inode")).load(8, 1, 1, types.of("inode", "i_ino"));
  program.store(4, 10, mark(SocketMark.inode), 1);
  program.load(8, 1, 6, CONTEXT.meta).load(8, 1, 1, types.of("bpf_iter_meta", "seq"));
  program.move(2, 10).add(2, -SocketMark.bytes).set(3, SocketMark.bytes).call(SEQ_WRITE);
  return program.label("out").set(0, 0).exit();
}
