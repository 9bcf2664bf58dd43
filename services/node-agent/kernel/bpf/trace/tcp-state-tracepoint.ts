// Attaches the program of tcp-state-program.ts to the tracepoint inet_sock_set_state and reads what it
// writes. The attachment is a descriptor of this process: it ends with the process, however that ends. Other
// programs on the same tracepoint are not affected.

import { closeSync } from "node:fs";

import { mappedMemory } from "../../mapped-memory.ts";
import type { MappedMemory } from "../../mapped-memory.ts";
import { syscalls } from "../../syscalls.ts";
import { bpf, loadBpfProgram } from "../bpf-syscall.ts";
import { BTF_PATH, withKernelTypes } from "../kernel-types.ts";
import { ownPidLevel } from "../pid-namespace.ts";
import type { TakeRecord } from "./ring-reader.ts";
import { RingBuffer } from "./ring-buffer.ts";
import { assembleTcpStateProgram } from "./tcp-state-program.ts";

// enum bpf_cmd, enum bpf_map_type, enum bpf_attach_type and map flags of include/uapi/linux/bpf.h.
const BPF_MAP_CREATE = 0;
const BPF_RAW_TRACEPOINT_OPEN = 17;
const BPF_MAP_TYPE_ARRAY = 2;
export const BPF_TRACE_RAW_TP = 23;
const BPF_F_MMAPABLE = 1 << 10;

/** Name of the tracepoint's type in BTF. */
export const TRACEPOINT = "btf_trace_inet_sock_set_state";

/**
 * Bytes of the ring buffer. A connection within the node writes about 700 bytes, so 4 MiB hold what a quarter
 * of a second brings at 20,000 connections per second; they count towards the process's resident memory.
 */
const RING_BYTES = 4 * 2 ** 20;

/** The attached program. */
export class TcpStateTracepoint {
  readonly #ring: RingBuffer;
  readonly #lost: MappedMemory;
  readonly #lostCount: BigUint64Array;
  readonly #attachment: number;

  private constructor(ring: RingBuffer, lost: MappedMemory, attachment: number) {
    this.#ring = ring;
    this.#lost = lost;
    this.#lostCount = new BigUint64Array(lost.buffer, 0, 1);
    this.#attachment = attachment;
  }

  /** Loads and attaches the program. Throws with a reason, leaving nothing behind. */
  static attach({ btfPath = BTF_PATH, ringBytes = RING_BYTES } = {}): TcpStateTracepoint {
    return withKernelTypes(btfPath, (types) => {
      const tracepoint = types.typedefId(TRACEPOINT);
      if (tracepoint === null) throw new Error("this kernel has no tracepoint inet_sock_set_state");
      if (types.functionId("bpf_get_socket_ptr_cookie") === null)
        throw new Error("this kernel's tracing programs cannot read a socket's cookie (since 5.12)");
      const tasks = types.functionId("bpf_iter_task");
      const pageBytes = syscalls().pageBytes();
      const undo: (() => void)[] = [];
      try {
        const ring = new RingBuffer(ringBytes, pageBytes);
        undo.push(() => ring.close());
        const lostMap = bpf(
          BPF_MAP_CREATE,
          Uint32Array.of(BPF_MAP_TYPE_ARRAY, Uint32Array.BYTES_PER_ELEMENT, 8, 1, BPF_F_MMAPABLE, 0, 0, 0),
        );
        let lost: MappedMemory;
        let program: number;
        try {
          lost = mappedMemory(lostMap, { bytes: pageBytes, offset: 0, writable: false });
          undo.push(() => lost.unmap());
          const pidLevel = tasks === null ? 0 : ownPidLevel(types, tasks);
          program = loadBpfProgram(
            assembleTcpStateProgram(types, { ring: ring.map, lost: lostMap }, pidLevel),
            BPF_TRACE_RAW_TP,
            tracepoint,
          );
        } finally {
          // The program keeps it.
          closeSync(lostMap);
        }
        try {
          const attributes = new Uint32Array(4);
          attributes[2] = program;
          return new TcpStateTracepoint(ring, lost, bpf(BPF_RAW_TRACEPOINT_OPEN, attributes));
        } finally {
          closeSync(program);
        }
      } catch (error) {
        for (const step of undo.toReversed()) step();
        throw error;
      }
    });
  }

  /** Records that found no room in the ring buffer, since it was attached. */
  get lost(): number {
    return Number(Atomics.load(this.#lostCount, 0));
  }

  /** Bytes that wait to be read. Costs no system call. */
  get waiting(): number {
    return this.#ring.waiting;
  }

  /**
   * Calls back for every record that waits, in the order in which the kernel wrote them; returns their
   * number.
   */
  drain(take: TakeRecord): number {
    return this.#ring.drain(take);
  }

  /** Detaches the program and frees its maps. */
  close(): void {
    closeSync(this.#attachment);
    this.#ring.close();
    this.#lost.unmap();
  }
}
