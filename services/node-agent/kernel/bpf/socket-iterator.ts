// A read-only BPF iterator over the open files of every task (`iter/task_file`): reads all sockets of the node
// that a file refers to, in any namespace, with their holders, in one read. If the kernel allows it (5.11 and
// newer) the program loads only through typed pointers, so that it needs no more than BPF and PERFMON, also
// under lockdown.

import { BpfIterator } from "./bpf-iterator.ts";
import { BTF_PATH, withKernelTypes } from "./kernel-types.ts";
import { ownPidLevel } from "./pid-namespace.ts";
import { SocketDigest } from "./socket-digest.ts";
import { assembleSocketProgram, SOCKET_FAMILIES, socketAccess } from "./socket-program.ts";
import { SocketRecord } from "./socket-record.ts";

/** Maximum records of one pass: 2^20 of 160 bytes (168 MB); further ones are counted. */
const RECORDS_MAX = 2 ** 20;

/** The records of one reading, valid until the next one. */
export interface SocketRecords {
  readonly view: DataView<ArrayBuffer>;
  /** The same bytes as words in the host's order. */
  readonly words: Uint32Array;
  readonly count: number;
  readonly overflowed: number;
}

/** A loaded program, with its digest if the kernel supports it. */
export class SocketIterator {
  readonly #iterator: BpfIterator;
  readonly #digest: SocketDigest | null;

  private constructor(iterator: BpfIterator, digest: SocketDigest | null) {
    this.#iterator = iterator;
    this.#digest = digest;
  }

  /** Loads the program; BTF is by default that of the running kernel. Throws an error with the reason. */
  static load(btfPath: string = BTF_PATH): SocketIterator {
    return withKernelTypes(btfPath, (types) => {
      const target = types.functionId("bpf_iter_task_file");
      const tasks = types.functionId("bpf_iter_task");
      if (target === null || tasks === null)
        throw new Error("this kernel has no iterator over tasks' files (since 5.8)");
      const pidLevel = ownPidLevel(types, tasks);
      const program = assembleSocketProgram(types, pidLevel);
      const iterator = BpfIterator.load(program, target, SocketRecord.bytes, RECORDS_MAX);
      const digest =
        socketAccess(types) === "typed" ? SocketDigest.load(types, target, SOCKET_FAMILIES) : null;
      return new SocketIterator(iterator, digest);
    });
  }

  /** Walks every task's files and returns the records. Throws SyscallError, or the error of reading. */
  read(): SocketRecords {
    const { bytes, overflowed } = this.#iterator.read();
    return {
      view: new DataView(bytes.buffer, 0, bytes.length),
      words: new Uint32Array(bytes.buffer, 0, bytes.length / 4),
      count: bytes.length / SocketRecord.bytes,
      overflowed,
    };
  }

  /**
   * Returns the digest of all sockets (socket-digest.ts): equal digests mean the same sockets, states and
   * holders. Null if the kernel cannot compute it. A third of the cost of records. Throws as read() does.
   */
  readDigest(): string | null {
    return this.#digest?.read() ?? null;
  }

  close(): void {
    this.#iterator.close();
    this.#digest?.close();
  }
}
