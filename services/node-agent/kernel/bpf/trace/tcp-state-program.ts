// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only

// The program on the tracepoint inet_sock_set_state (include/trace/events/sock.h): it writes a record into a
// ring buffer whenever a TCP socket of any network namespace changes its state. It reads the socket and,
// where the change happens in a system call (connect, listen), the calling process. It writes to its own two
// maps and nothing else.

import { Protocol } from "../../../../../lib/vocabulary/protocols.ts";
import { SocketState } from "../../../../../lib/vocabulary/states.ts";
import { AF_INET6, IPPROTO_MPTCP } from "../../constants.ts";
import { Helper } from "../bpf-helpers.ts";
import { BpfProgram } from "../bpf-program.ts";
import type { Register, Width } from "../bpf-program.ts";
import type { KernelTypes } from "../kernel-types.ts";
import { loadPid } from "../pid-namespace.ts";
import { NAME_BYTES, TcpStateRecord as Record } from "./tcp-state-record.ts";

/** Arguments of the tracepoint, each a u64. */
const Arguments = { sock: 0, oldState: 8, newState: 16 } as const;

/** BPF_RB_NO_WAKEUP: no thread waits for the buffer, it is polled. */
const NO_WAKEUP = 1;

const RECORD_BYTES = Math.max(Record.callerBytes, Record.closeBytes);

/** What the program writes to. */
interface ProgramMaps {
  /** Descriptor of the ring buffer. */
  readonly ring: number;
  /** Descriptor of an array map whose first value counts the records that found no room. */
  readonly lost: number;
}

/**
 * Assembles the program. `pidLevel` is the depth of the reader's pid namespace. Throws where the kernel lacks
 * a member of a structure.
 */
export function assembleTcpStateProgram(types: KernelTypes, maps: ProgramMaps, pidLevel: number): BpfProgram {
  return new TcpStateProgram(types, maps).assemble(pidLevel);
}

// R6 is the sock, R7 the new state, R8 the calling task or the tcp_sock, R9 a pointer on the way.
class TcpStateProgram {
  readonly #program = new BpfProgram();
  readonly #types: KernelTypes;
  readonly #maps: ProgramMaps;

  constructor(types: KernelTypes, maps: ProgramMaps) {
    this.#types = types;
    this.#maps = maps;
  }

  assemble(pidLevel: number): BpfProgram {
    const program = this.#program;
    program.load(8, 6, 1, Arguments.sock).load(8, 8, 1, Arguments.oldState).load(8, 7, 1, Arguments.newState);
    program.jumpIfEqual(6, 0, "out").jumpUnlessSame(8, 7, "changed").jump("out").label("changed");
    // A connection on its way into a listener: ESTABLISHED follows, or nothing.
    program.jumpIfEqual(7, SocketState.SYN_RECV, "out");
    program.load(2, 2, 6, this.#types.of("sock", "sk_protocol"));
    program.jumpIfEqual(2, Protocol.tcp, "tcp").jumpIfDifferent(2, IPPROTO_MPTCP, "out");
    // Of MPTCP the subflows, which are TCP sockets, say what happens to a connection; a listener is the
    // socket itself.
    program.jumpIfEqual(7, SocketState.LISTEN, "tcp").jumpIfDifferent(8, SocketState.LISTEN, "out");
    program.jumpIfDifferent(7, SocketState.CLOSE, "out").label("tcp");
    for (let offset = 0; offset < RECORD_BYTES; offset += 8) program.clear(10, at(offset));
    program.store(1, 10, at(Record.oldState), 8).store(1, 10, at(Record.newState), 7);
    program.store(2, 10, at(Record.protocol), 2);
    this.#keepSocket();
    program
      .jumpIfEqual(7, SocketState.SYN_SENT, "tuple")
      .jumpIfEqual(7, SocketState.ESTABLISHED, "tuple")
      .jumpIfEqual(7, SocketState.CLOSE, "tuple")
      .jumpIfEqual(7, SocketState.LISTEN, "tuple");
    this.#write(Record.stateBytes);
    program.label("tuple");
    this.#keepTuple();
    program
      .jumpIfEqual(7, SocketState.SYN_SENT, "caller")
      .jumpIfEqual(7, SocketState.LISTEN, "caller")
      .jumpIfEqual(7, SocketState.CLOSE, "close");
    this.#write(Record.tupleBytes);
    program.label("caller");
    this.#keepCaller(pidLevel);
    this.#write(Record.callerBytes);
    program.label("close");
    this.#keepFigures();
    this.#write(Record.closeBytes);
    program.label("lost").mapValue(1, this.#maps.lost).set(2, 1).addAtomically(1, 0, 2);
    return program.label("out").set(0, 0).exit();
  }

  #keepSocket(): void {
    const program = this.#program;
    program.load(8, 9, 6, this.#types.common("skc_net"));
    this.#keep(4, 9, this.#types.of("net", "ns", "inum"), Record.namespace);
    if (this.#types.has("net", "net_cookie"))
      this.#keep(8, 9, this.#types.of("net", "net_cookie"), Record.namespaceCookie);
    program.move(1, 6).call(Helper.getSocketCookie).store(8, 10, at(Record.cookie), 0);
    program.call(Helper.nowNs).store(8, 10, at(Record.time), 0);
  }

  #keepTuple(): void {
    const program = this.#program;
    const types = this.#types;
    this.#keep(2, 6, types.common("skc_family"), Record.family);
    this.#keep(2, 6, types.common("skc_num"), Record.localPort);
    this.#keep(2, 6, types.common("skc_dport"), Record.remotePort);
    this.#keep(4, 6, types.of("sock", "sk_uid"), Record.uid);
    program.load(2, 1, 10, at(Record.family)).jumpIfEqual(1, AF_INET6, "ipv6");
    this.#keep(4, 6, types.common("skc_rcv_saddr"), Record.local);
    this.#keep(4, 6, types.common("skc_daddr"), Record.remote);
    program.jump("addressed").label("ipv6");
    for (let part = 0; part < 16; part += 4) {
      this.#keep(4, 6, types.common("skc_v6_rcv_saddr") + part, Record.local + part);
      this.#keep(4, 6, types.common("skc_v6_daddr") + part, Record.remote + part);
    }
    program.label("addressed");
    program.load(8, 9, 6, types.of("sock", "sk_socket")).jumpIfEqual(9, 0, "no file");
    program.load(8, 9, 9, types.of("socket", "file")).jumpIfEqual(9, 0, "no file");
    program.load(8, 9, 9, types.of("file", "f_inode")).jumpIfEqual(9, 0, "no file");
    program.load(8, 1, 9, types.of("inode", "i_ino")).store(4, 10, at(Record.inode), 1);
    program.label("no file");
  }

  #keepCaller(pidLevel: number): void {
    const program = this.#program;
    const types = this.#types;
    const task = (name: string): number => types.of("task_struct", name);
    program.call(Helper.currentTask).load(8, 8, 0, task("group_leader")).jumpIfEqual(8, 0, "nobody");
    loadPid(program, types, 8, pidLevel, "of no number");
    program.store(4, 10, at(Record.pid), 1).label("of no number");
    program.load(8, 9, 8, task("real_parent")).jumpIfEqual(9, 0, "without parent");
    loadPid(program, types, 9, pidLevel, "without parent");
    program.store(4, 10, at(Record.parentPid), 1).label("without parent");
    program.load(8, 9, 8, task("cgroups")).load(8, 9, 9, types.of("css_set", "dfl_cgrp"));
    program.load(8, 9, 9, types.of("cgroup", "kn"));
    this.#keep(8, 9, types.of("kernfs_node", "id"), Record.cgroup);
    this.#keep(8, 8, task("start_boottime"), Record.start);
    program.load(8, 9, 8, task("nsproxy")).load(8, 9, 9, types.of("nsproxy", "mnt_ns"));
    this.#keep(4, 9, types.of("mnt_namespace", "ns", "inum"), Record.mountNamespace);
    program.load(8, 9, 8, task("nsproxy")).load(8, 9, 9, types.of("nsproxy", "net_ns"));
    this.#keep(4, 9, types.of("net", "ns", "inum"), Record.processNamespace);
    for (let part = 0; part < NAME_BYTES; part += 8)
      this.#keep(8, 8, task("comm") + part, Record.name + part);
    program.load(8, 9, 8, task("real_cred"));
    this.#keep(4, 9, types.of("cred", "uid"), Record.processUid);
    program.label("nobody");
  }

  #keepFigures(): void {
    const program = this.#program;
    const types = this.#types;
    this.#keep(4, 6, types.of("sock", "sk_err"), Record.error);
    program.load(8, 1, 6, types.common("skc_flags")).store(4, 10, at(Record.flags), 1);
    program.move(1, 6).call(Helper.toTcpSock).jumpIfEqual(0, 0, "no figures").move(8, 0);
    for (const [width, name, field] of figures) this.#keep(width, 8, types.of("tcp_sock", name), field);
    program.set(1, 1).store(2, 10, at(Record.counted), 1);
    // By now the port was given back, and skc_num is 0.
    this.#keep(2, 8, types.of("tcp_sock", "inet_conn", "icsk_inet", "inet_sport"), Record.sourcePort);
    program.label("no figures");
  }

  // Sends the first bytes of the record, and ends.
  #write(bytes: number): void {
    const program = this.#program;
    program.map(1, this.#maps.ring).move(2, 10).add(2, at(0)).set(3, bytes).set(4, NO_WAKEUP);
    program.call(Helper.ringOutput).jumpIfDifferent(0, 0, "lost").set(0, 0).exit();
  }

  // Copies a member of what `from` points to into the record. Loses R1.
  #keep(width: Width, from: Register, offset: number, field: number): void {
    this.#program.load(width, 1, from, offset).store(width, 10, at(field), 1);
  }
}

function at(field: number): number {
  return field - RECORD_BYTES;
}

const figures: readonly (readonly [Width, string, number])[] = [
  [8, "bytes_acked", Record.bytesAcked],
  [8, "bytes_received", Record.bytesReceived],
  [8, "bytes_sent", Record.bytesSent],
  [8, "bytes_retrans", Record.bytesRetrans],
  [4, "srtt_us", Record.srtt],
  [4, "total_retrans", Record.totalRetrans],
  [4, "segs_in", Record.segsIn],
];
