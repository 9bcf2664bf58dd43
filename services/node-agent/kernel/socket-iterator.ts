// A read-only BPF iterator over the open files of every task (`iter/task_file`): all TCP sockets of the node that a file
// refers to, whatever their namespace, in one read. The program is assembled here from the offsets of the kernel's BTF and
// loads through typed pointers only, so that it needs BPF and PERFMON and no more, under lockdown too. It is attached to
// nothing: it runs while it is read.

import { closeSync, readFileSync, readSync } from "node:fs";

import { BpfProgram } from "./bpf-program.ts";
import type { Register, Width } from "./bpf-program.ts";
import { Btf } from "./btf.ts";
import { hostIsLittleEndian } from "./netlink.ts";
import { bpf, loadBpfProgram } from "./bpf-syscall.ts";

const BTF_PATH = "/sys/kernel/btf/vmlinux";

// enum bpf_cmd and enum bpf_attach_type of include/uapi/linux/bpf.h.
const BPF_LINK_CREATE = 28;
const BPF_ITER_CREATE = 33;
const BPF_TRACE_ITER = 28;

// Helpers by number: bpf_seq_write (5.8), bpf_skc_to_tcp_sock (5.9), bpf_sock_from_file (5.11).
const SEQ_WRITE = 127;
const SKC_TO_TCP_SOCK = 137;
const SOCK_FROM_FILE = 162;

const AF_INET = 2;
const AF_INET6 = 10;
const IPPROTO_TCP = 6;
/** MPTCP sockets: what they carry is TCP. */
export const IPPROTO_MPTCP = 262;

// struct bpf_iter__task_file.
const CONTEXT = { meta: 0, task: 8, fd: 16, file: 24 } as const;

/** Where the fields of a record are, in bytes. Numbers are in the host's order unless told. */
export const SocketRecord = {
  pid: 0,
  fd: 4,
  /** Inode of the network namespace. */
  namespace: 8,
  inode: 12,
  family: 16,
  state: 18,
  /** The byte that holds the bit of IPV6_V6ONLY. */
  flags: 19,
  protocol: 20,
  localPort: 22,
  /** In network order. */
  remotePort: 24,
  uid: 28,
  cookie: 32,
  /** Sixteen bytes each in network order; of IPv4 the first four. */
  local: 40,
  remote: 56,
  rcvNxt: 72,
  copiedSeq: 76,
  writeSeq: 80,
  sndUna: 84,
  bytesAcked: 88,
  bytesReceived: 96,
  bytesSent: 104,
  bytesRetrans: 112,
  /** Eighths of a microsecond. */
  srtt: 120,
  totalRetrans: 124,
  ackBacklog: 128,
  retransmits: 132,
  /** 1 where the fields from rcvNxt on are told. */
  counted: 133,
  bytes: 136,
} as const;

/** Bytes of one read: the kernel gives at most eight pages. */
const READ_BYTES = 32_768;

/** Records of one pass at most: 2^20 of 136 bytes (143 MB); what overflows is counted. */
export const RECORDS_MAX = 2 ** 20;

/** The records of one reading, valid until the next one. */
export interface SocketRecords {
  readonly view: DataView;
  readonly count: number;
  readonly overflowed: number;
  /** Bit of the flags byte that stands for IPV6_V6ONLY. */
  readonly v6onlyMask: number;
}

/** A loaded program. */
export class SocketIterator {
  readonly #link: number;
  readonly #v6onlyMask: number;
  #buffer = new Uint8Array(256 * SocketRecord.bytes + READ_BYTES);

  private constructor(link: number, v6onlyMask: number) {
    this.#link = link;
    this.#v6onlyMask = v6onlyMask;
  }

  /** Loads the program for a reader in a pid namespace so deep (0 for the first one). Throws with a reason. */
  static load(pidLevel: number): SocketIterator {
    const btf = readTypes();
    const offsets = new Offsets(btf);
    const target = btf.functionId("bpf_iter_task_file");
    if (target === null) throw new Error("this kernel has no iterator over tasks' files (it came with 5.8)");
    const program = assemble(offsets, pidLevel);
    const descriptor = loadBpfProgram(
      program.encode(hostIsLittleEndian),
      program.length,
      BPF_TRACE_ITER,
      target,
    );
    try {
      const attributes = new Uint32Array(8);
      attributes[0] = descriptor;
      attributes[2] = BPF_TRACE_ITER;
      return new SocketIterator(bpf(BPF_LINK_CREATE, attributes), offsets.v6onlyMask);
    } finally {
      closeSync(descriptor);
    }
  }

  /** One look at every task's files. Throws SyscallError, or the error of reading. */
  read(): SocketRecords {
    const attributes = new Uint32Array(8);
    attributes[0] = this.#link;
    const descriptor = bpf(BPF_ITER_CREATE, attributes);
    let length = 0;
    let overflowed = 0;
    try {
      for (;;) {
        if (length + READ_BYTES > this.#buffer.length) this.#grow();
        const count = readSync(descriptor, this.#buffer, length, READ_BYTES, null);
        if (count === 0) break;
        if (length + count > RECORDS_MAX * SocketRecord.bytes) overflowed += count / SocketRecord.bytes;
        else length += count;
      }
    } finally {
      closeSync(descriptor);
    }
    return {
      view: new DataView(this.#buffer.buffer, 0, length),
      count: Math.floor(length / SocketRecord.bytes),
      overflowed,
      v6onlyMask: this.#v6onlyMask,
    };
  }

  close(): void {
    closeSync(this.#link);
  }

  #grow(): void {
    const grown = new Uint8Array(this.#buffer.length * 2);
    grown.set(this.#buffer);
    this.#buffer = grown;
  }
}

function readTypes(): Btf {
  let bytes;
  try {
    bytes = readFileSync(BTF_PATH);
  } catch (error) {
    throw new Error(`${BTF_PATH} cannot be read: the kernel was built without BTF`, { cause: error });
  }
  const btf = Btf.parse(bytes);
  if (btf === null) throw new Error(`${BTF_PATH} is of a form that is not known`);
  return btf;
}

// Offsets in bytes of what the program loads; throws where the kernel has no such member.
class Offsets {
  readonly v6onlyMask: number;
  readonly flags: number;
  readonly #btf: Btf;

  constructor(btf: Btf) {
    this.#btf = btf;
    const bit = this.#bit("sock", "__sk_common", "skc_ipv6only");
    this.flags = bit >> 3;
    this.v6onlyMask = hostIsLittleEndian ? 1 << (bit & 7) : 128 >> (bit & 7);
  }

  of(struct: string, ...path: readonly string[]): number {
    return this.#bit(struct, ...path) >> 3;
  }

  common(name: string): number {
    return this.of("sock", "__sk_common", name);
  }

  #bit(struct: string, ...path: readonly string[]): number {
    const bit = this.#btf.memberBit(struct, ...path);
    if (bit === null) throw new Error(`this kernel has no ${struct}.${path.join(".")}`);
    return bit;
  }
}

function assemble(at: Offsets, pidLevel: number): BpfProgram {
  const record = (offset: number): number => offset - SocketRecord.bytes;
  const program = new BpfProgram();
  const keep = (width: Width, from: Register, offset: number, field: number): void => {
    program.load(width, 1, from, offset).store(width, 10, record(field), 1);
  };
  // R6 context, R7 task, R8 file, R9 sock.
  program.move(6, 1);
  program.load(8, 7, 6, CONTEXT.task).jumpIfEqual(7, 0, "out");
  program.load(8, 8, 6, CONTEXT.file).jumpIfEqual(8, 0, "out");
  program.move(1, 8).call(SOCK_FROM_FILE).jumpIfEqual(0, 0, "out");
  program.load(8, 9, 0, at.of("socket", "sk")).jumpIfEqual(9, 0, "out");
  program.load(2, 1, 9, at.common("skc_family"));
  program
    .jumpIfEqual(1, AF_INET, "internet")
    .jumpIfEqual(1, AF_INET6, "internet")
    .jump("out")
    .label("internet");
  program.load(2, 2, 9, at.of("sock", "sk_protocol"));
  program.jumpIfEqual(2, IPPROTO_TCP, "tcp").jumpIfEqual(2, IPPROTO_MPTCP, "tcp").jump("out").label("tcp");
  for (let offset = 0; offset < SocketRecord.bytes; offset += 8) program.clear(10, record(offset));
  program.store(2, 10, record(SocketRecord.family), 1).store(2, 10, record(SocketRecord.protocol), 2);
  keep(1, 9, at.common("skc_state"), SocketRecord.state);
  keep(1, 9, at.flags, SocketRecord.flags);
  keep(2, 9, at.common("skc_num"), SocketRecord.localPort);
  keep(2, 9, at.common("skc_dport"), SocketRecord.remotePort);
  keep(4, 9, at.of("sock", "sk_uid"), SocketRecord.uid);
  keep(4, 9, at.of("sock", "sk_ack_backlog"), SocketRecord.ackBacklog);
  keep(8, 9, at.common("skc_cookie"), SocketRecord.cookie);
  program.load(2, 1, 9, at.common("skc_family")).jumpIfEqual(1, AF_INET, "ipv4");
  for (let word = 0; word < 16; word += 4) {
    keep(4, 9, at.common("skc_v6_rcv_saddr") + word, SocketRecord.local + word);
    keep(4, 9, at.common("skc_v6_daddr") + word, SocketRecord.remote + word);
  }
  program.jump("addressed").label("ipv4");
  keep(4, 9, at.common("skc_rcv_saddr"), SocketRecord.local);
  keep(4, 9, at.common("skc_daddr"), SocketRecord.remote);
  program.label("addressed");
  program.load(8, 1, 9, at.common("skc_net"));
  program.load(4, 1, 1, at.of("net", "ns", "inum")).store(4, 10, record(SocketRecord.namespace), 1);
  program.load(8, 1, 8, at.of("file", "f_inode"));
  program.load(8, 1, 1, at.of("inode", "i_ino")).store(4, 10, record(SocketRecord.inode), 1);
  keep(4, 6, CONTEXT.fd, SocketRecord.fd);
  // struct upid has 16 bytes: the number in a pid namespace, and the namespace; one for each level.
  program.load(8, 1, 7, at.of("task_struct", "thread_pid"));
  program.load(4, 1, 1, at.of("pid", "numbers") + 16 * pidLevel).store(4, 10, record(SocketRecord.pid), 1);
  program.move(1, 9).call(SKC_TO_TCP_SOCK).jumpIfEqual(0, 0, "write");
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
  for (const [width, name, field] of counters) keep(width, 0, at.of("tcp_sock", name), field);
  keep(1, 0, at.of("tcp_sock", "inet_conn", "icsk_retransmits"), SocketRecord.retransmits);
  program.set(1, 1).store(1, 10, record(SocketRecord.counted), 1);
  program.label("write");
  program.load(8, 1, 6, CONTEXT.meta).load(8, 1, 1, at.of("bpf_iter_meta", "seq"));
  program.move(2, 10).add(2, -SocketRecord.bytes).set(3, SocketRecord.bytes).call(SEQ_WRITE);
  return program.label("out").set(0, 0).exit();
}
