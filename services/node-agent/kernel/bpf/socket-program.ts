// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only

// The program that the kernel runs for each open file of each task: if the file is a socket, it writes a
// record of it. Assembled from the offsets in the kernel's BTF.

import { Protocol } from "../../../../lib/vocabulary/protocols.ts";
import {
  AF_INET,
  AF_INET6,
  AF_NETLINK,
  AF_PACKET,
  AF_UNIX,
  IPPROTO_MPTCP,
  SOCK_STREAM,
} from "../constants.ts";
import { Helper, loadSock, TaskFileContext, writeRecord } from "./bpf-helpers.ts";
import { BpfProgram } from "./bpf-program.ts";
import type { Register, Width } from "./bpf-program.ts";
import type { KernelTypes } from "./kernel-types.ts";
import { loadPid } from "./pid-namespace.ts";
import { SocketRecord } from "./socket-record.ts";

/** Families whose sockets are recorded. */
export const SOCKET_FAMILIES: readonly number[] = [AF_INET, AF_INET6, AF_UNIX, AF_NETLINK, AF_PACKET];

// include/uapi/linux/stat.h.
const S_IFMT = 0o170000;
const S_IFSOCK = 0o140000;

/** Eight bytes below the record on the stack, for what a helper reads. */
const SCRATCH = -SocketRecord.bytes - 8;

/**
 * How the program accesses a socket: through typed pointers, which needs no helper that lockdown forbids, or,
 * before 5.11, by copying bytes from the file's private data.
 */
type SocketAccess = "typed" | "copied";

/** Returns how the program can access sockets on this kernel. */
export function socketAccess(types: KernelTypes): SocketAccess {
  return types.functionId("bpf_sock_from_file") === null ? "copied" : "typed";
}

/**
 * Assembles the program for a reader in a pid namespace at depth `pidLevel`. Throws if the kernel lacks a
 * member.
 */
export function assembleSocketProgram(types: KernelTypes, pidLevel: number): BpfProgram {
  return new SocketProgram(types, socketAccess(types)).assemble(pidLevel);
}

// R6 is the context, R7 the task, R8 the file, R9 the sock. R7 and R8 are reused once their data are in the
// record.
class SocketProgram {
  readonly #program = new BpfProgram();
  readonly #types: KernelTypes;
  readonly #access: SocketAccess;

  constructor(types: KernelTypes, access: SocketAccess) {
    this.#types = types;
    this.#access = access;
  }

  assemble(pidLevel: number): BpfProgram {
    const program = this.#program;
    const types = this.#types;
    program.move(6, 1);
    program.load(8, 7, 6, TaskFileContext.task).jumpIfEqual(7, 0, "out");
    program.load(8, 8, 6, TaskFileContext.file).jumpIfEqual(8, 0, "out");
    this.#findSock();
    for (let offset = 0; offset < SocketRecord.bytes; offset += 8) program.clear(10, record(offset));
    this.#keep(2, 9, types.common("skc_family"), SocketRecord.family);
    program.load(2, 1, 10, record(SocketRecord.family));
    for (const family of SOCKET_FAMILIES) program.jumpIfEqual(1, family, "known");
    program.jump("out").label("known");
    this.#keepHolder(pidLevel);
    this.#keepCommon();
    program.load(2, 1, 10, record(SocketRecord.family));
    program.jumpIfEqual(1, AF_INET, "ipv4").jumpIfEqual(1, AF_INET6, "ipv6");
    program.jumpIfDifferent(1, AF_UNIX, "write");
    this.#keepPeer();
    program.jump("write");
    this.#keepAddresses();
    this.#keepTcp();
    program.label("write");
    return writeRecord(program, types, SocketRecord.bytes).label("out").set(0, 0).exit();
  }

  #findSock(): void {
    const program = this.#program;
    if (this.#access === "typed") {
      loadSock(program, this.#types, 8, 9, "out");
      return;
    }
    program.load(8, 1, 8, this.#types.of("file", "f_inode")).load(2, 1, 1, this.#types.of("inode", "i_mode"));
    program.and(1, S_IFMT).jumpIfDifferent(1, S_IFSOCK, "out");
    program.load(8, 9, 8, this.#types.of("file", "private_data")).jumpIfEqual(9, 0, "out");
    this.#follow(9, 9, this.#types.of("socket", "sk"));
    program.jumpIfEqual(9, 0, "out");
  }

  #keepHolder(pidLevel: number): void {
    const program = this.#program;
    loadPid(program, this.#types, 7, pidLevel, "out");
    program.store(4, 10, record(SocketRecord.pid), 1);
    program.load(4, 1, 6, TaskFileContext.fd).store(4, 10, record(SocketRecord.fd), 1);
    program.load(8, 1, 8, this.#types.of("file", "f_inode"));
    program.load(8, 1, 1, this.#types.of("inode", "i_ino")).store(4, 10, record(SocketRecord.inode), 1);
  }

  #keepCommon(): void {
    const types = this.#types;
    this.#keep(1, 9, types.common("skc_state"), SocketRecord.state);
    this.#keep(2, 9, types.of("sock", "sk_protocol"), SocketRecord.protocol);
    this.#keep(2, 9, types.of("sock", "sk_type"), SocketRecord.type);
    this.#keep(4, 9, types.of("sock", "sk_uid"), SocketRecord.uid);
    this.#keep(8, 9, types.common("skc_cookie"), SocketRecord.cookie);
    this.#keep(4, 9, types.common("skc_refcnt"), SocketRecord.references);
    this.#follow(7, 9, types.common("skc_net"));
    this.#keep(4, 7, types.of("net", "ns", "inum"), SocketRecord.namespace);
  }

  // If a socket has no peer, some pointer on the way is null; past a null pointer everything reads as 0.
  #keepPeer(): void {
    const program = this.#program;
    const types = this.#types;
    if (this.#access === "typed") {
      if (types.functionId("bpf_skc_to_unix_sock") === null) return;
      program.move(1, 9).call(Helper.toUnixSock).jumpIfEqual(0, 0, "write");
      this.#follow(7, 0, types.of("unix_sock", "peer"));
    } else {
      this.#follow(7, 9, types.of("unix_sock", "peer"));
    }
    for (const [struct, member] of [
      ["sock", "sk_socket"],
      ["socket", "file"],
      ["file", "f_inode"],
    ] as const) {
      program.jumpIfEqual(7, 0, "write");
      this.#follow(7, 7, types.of(struct, member));
    }
    program.jumpIfEqual(7, 0, "write");
    this.#keep(8, 7, types.of("inode", "i_ino"), SocketRecord.peerInode, 4);
  }

  #keepAddresses(): void {
    const program = this.#program;
    const types = this.#types;
    program.label("ipv6");
    for (let at = 0; at < 16; at += 4) {
      this.#keep(4, 9, types.common("skc_v6_rcv_saddr") + at, SocketRecord.local + at);
      this.#keep(4, 9, types.common("skc_v6_daddr") + at, SocketRecord.remote + at);
    }
    program.jump("addressed").label("ipv4");
    this.#keep(4, 9, types.common("skc_rcv_saddr"), SocketRecord.local);
    this.#keep(4, 9, types.common("skc_daddr"), SocketRecord.remote);
    program.label("addressed");
    this.#keep(2, 9, types.common("skc_num"), SocketRecord.localPort);
    this.#keep(2, 9, types.common("skc_dport"), SocketRecord.remotePort);
    // The kernel assigns a socket's cookie when it is first requested; destruction events identify the socket
    // by it.
    if (this.#access === "typed" && types.functionId("bpf_get_socket_ptr_cookie") !== null)
      program.move(1, 9).call(Helper.getSocketCookie).store(8, 10, record(SocketRecord.cookie), 0);
  }

  #keepTcp(): void {
    const program = this.#program;
    const types = this.#types;
    program.load(2, 1, 10, record(SocketRecord.type)).jumpIfDifferent(1, SOCK_STREAM, "write");
    program.load(2, 1, 10, record(SocketRecord.protocol)).jumpIfEqual(1, Protocol.tcp, "tcp");
    program.jumpIfDifferent(1, IPPROTO_MPTCP, "write").label("tcp");
    this.#keep(4, 9, types.of("sock", "sk_ack_backlog"), SocketRecord.ackBacklog);
    program.call(Helper.jiffies64).store(4, 10, record(SocketRecord.jiffies), 0);
    let tcp: Register = 9;
    if (this.#access === "typed") {
      program.move(1, 9).call(Helper.toTcpSock).jumpIfEqual(0, 0, "write");
      program.move(8, 0);
      tcp = 8;
    } else {
      program.load(2, 1, 10, record(SocketRecord.protocol)).jumpIfDifferent(1, Protocol.tcp, "write");
    }
    for (const [width, name, field] of counters) this.#keep(width, tcp, types.of("tcp_sock", name), field);
    this.#keep(1, tcp, types.of("tcp_sock", "inet_conn", "icsk_retransmits"), SocketRecord.retransmits);
    this.#keep(1, tcp, types.of("tcp_sock", "inet_conn", "icsk_pending"), SocketRecord.pending);
    this.#keep(8, tcp, retransmitTimeout(types), SocketRecord.timeout, 4);
    const keepalive = keepaliveTimer(types);
    this.#follow(7, tcp, keepalive + types.of("timer_list", "entry") + types.of("hlist_node", "pprev"));
    program.jumpIfEqual(7, 0, "without keepalive");
    program.set(1, 1).store(1, 10, record(SocketRecord.keepalive), 1);
    this.#keep(8, tcp, keepalive + types.of("timer_list", "expires"), SocketRecord.keepaliveTimeout, 4);
    program.label("without keepalive");
    program.set(1, 1).store(1, 10, record(SocketRecord.counted), 1);
  }

  // Copies a member of what `from` points to into the record: its low `kept` bytes.
  #keep(width: Width, from: Register, offset: number, field: number, kept: Width = width): void {
    const program = this.#program;
    if (this.#access === "typed") {
      program.load(width, 1, from, offset).store(kept, 10, record(field), 1);
    } else if (kept === width) {
      this.#copy(width, from, offset, record(field));
    } else {
      this.#copy(width, from, offset, SCRATCH);
      program.load(width, 1, 10, SCRATCH).store(kept, 10, record(field), 1);
    }
  }

  // Loads a pointer stored in what `from` points to.
  #follow(into: Register, from: Register, offset: number): void {
    if (this.#access === "typed") {
      this.#program.load(8, into, from, offset);
      return;
    }
    this.#copy(8, from, offset, SCRATCH);
    this.#program.load(8, into, 10, SCRATCH);
  }

  #copy(width: Width, from: Register, offset: number, to: number): void {
    this.#program
      .move(3, from)
      .add(3, offset)
      .move(1, 10)
      .add(1, to)
      .set(2, width)
      .call(Helper.probeReadKernel);
  }
}

function record(field: number): number {
  return field - SocketRecord.bytes;
}

const counters: readonly (readonly [Width, string, number])[] = [
  [4, "rcv_nxt", SocketRecord.rcvNxt],
  [4, "copied_seq", SocketRecord.copiedSeq],
  [4, "write_seq", SocketRecord.writeSeq],
  [4, "snd_una", SocketRecord.sndUna],
  [8, "bytes_acked", SocketRecord.bytesAcked],
  [8, "bytes_received", SocketRecord.bytesReceived],
  [8, "bytes_sent", SocketRecord.bytesSent],
  [8, "bytes_retrans", SocketRecord.bytesRetrans],
  [4, "srtt_us", SocketRecord.srtt],
  [4, "total_retrans", SocketRecord.totalRetrans],
];

// Newer kernels keep the expiry of the retransmission timer in the timer itself, whose place has changed.
function retransmitTimeout(types: KernelTypes): number {
  if (types.has("inet_connection_sock", "icsk_timeout"))
    return types.of("tcp_sock", "inet_conn", "icsk_timeout");
  const timer = types.has("sock", "tcp_retransmit_timer")
    ? types.of("sock", "tcp_retransmit_timer")
    : types.of("tcp_sock", "inet_conn", "icsk_retransmit_timer");
  return timer + types.of("timer_list", "expires");
}

// Before icsk_keepalive_timer existed, sk_timer was the keepalive timer.
function keepaliveTimer(types: KernelTypes): number {
  return types.has("inet_connection_sock", "icsk_keepalive_timer")
    ? types.of("tcp_sock", "inet_conn", "icsk_keepalive_timer")
    : types.of("sock", "sk_timer");
}
