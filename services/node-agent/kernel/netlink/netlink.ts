// Netlink messages: how to request a dump and how to split its answer into messages
// (include/uapi/linux/netlink.h). The framing is pure; `dump` is a thin wrapper around the socket. All numbers
// are in the host's byte order.

import { hostIsLittleEndian } from "../byte-order.ts";
import {
  AF_NETLINK,
  EBADMSG,
  EINTR,
  NLM_F_DUMP,
  NLM_F_DUMP_INTR,
  NLM_F_REQUEST,
  NLMSG_HDR_BYTES,
  SO_RCVTIMEO,
  SOCK_CLOEXEC,
  SOCK_RAW,
  SOL_SOCKET,
} from "../constants.ts";
import { SyscallError, syscalls } from "../syscalls.ts";

const NLMSG_ERROR = 2;
const NLMSG_DONE = 3;

/** The kernel puts at most 32 KiB into one read of a dump. */
const RECEIVE_BYTES = 32_768;

/** Timeout for a read of a dump: the kernel answers at once, or something is wrong. */
const RECEIVE_TIMEOUT_SECONDS = 2;

/** Maximum reads of one dump: 2^17 of at least one message each; a longer dump counts as failed. */
const READS_MAX = 2 ** 17;

/** State of a dump after one chunk of its answer: more to come, complete, or failed with an errno. */
type DumpProgress =
  | { readonly kind: "more" }
  | { readonly kind: "done" }
  | { readonly kind: "failed"; readonly errorNumber: number };

/** errno of a dump that changed while the kernel produced it (EINTR): request it again. */
export const DUMP_INTERRUPTED = EINTR;

/** Builds a dump request from a header and the payload of its type. */
export function dumpRequest(type: number, payload: Uint8Array, littleEndian: boolean): Uint8Array {
  const message = new Uint8Array(NLMSG_HDR_BYTES + payload.length);
  const view = new DataView(message.buffer);
  view.setUint32(0, message.length, littleEndian);
  view.setUint16(4, type, littleEndian);
  view.setUint16(6, NLM_F_REQUEST | NLM_F_DUMP, littleEndian);
  message.set(payload, NLMSG_HDR_BYTES);
  return message;
}

// One object each: every datagram has a progress, and must not allocate one.
const MORE: DumpProgress = { kind: "more" };
const DONE: DumpProgress = { kind: "done" };

/** Takes a message: its payload is bytes [start, end) of the view. */
type TakeMessage = (view: DataView, start: number, end: number) => void;

/**
 * Splits bytes [from, to) of an answer into messages and passes the payload of each to `take`. Safe for any
 * bytes: a message that does not fit makes the chunk fail.
 */
export function readMessages(
  view: DataView,
  from: number,
  to: number,
  littleEndian: boolean,
  take: TakeMessage,
): DumpProgress {
  const length = Math.min(to, view.byteLength);
  let position = from;
  while (position < length) {
    if (position + NLMSG_HDR_BYTES > length) return { kind: "failed", errorNumber: EBADMSG };
    const messageBytes = view.getUint32(position, littleEndian);
    const type = view.getUint16(position + 4, littleEndian);
    const flags = view.getUint16(position + 6, littleEndian);
    const end = position + messageBytes;
    if (messageBytes < NLMSG_HDR_BYTES || end > length) return { kind: "failed", errorNumber: EBADMSG };
    if ((flags & NLM_F_DUMP_INTR) !== 0) return { kind: "failed", errorNumber: DUMP_INTERRUPTED };
    if (type === NLMSG_DONE || type === NLMSG_ERROR) {
      // Both may carry an errno, negative; NLMSG_DONE without one means success.
      const errorNumber =
        messageBytes >= NLMSG_HDR_BYTES + 4 ? -view.getInt32(position + NLMSG_HDR_BYTES, littleEndian) : 0;
      return type === NLMSG_DONE && errorNumber <= 0 ? DONE : { kind: "failed", errorNumber };
    }
    take(view, position + NLMSG_HDR_BYTES, end);
    position = (end + 3) & ~3;
  }
  return MORE;
}

/** Opens a netlink socket in this thread's network namespace. Throws SyscallError. */
export function openNetlink(protocol: number): number {
  const { socket, setsockopt, errorNumber, close } = syscalls();
  const descriptor = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, protocol);
  if (descriptor < 0) throw new SyscallError("socket", errorNumber());
  // struct timeval: two longs of pointer width.
  const longBytes = process.arch.endsWith("64") || process.arch === "s390x" ? 8 : 4;
  const timeout = new Uint8Array(2 * longBytes);
  timeout[hostIsLittleEndian ? 0 : longBytes - 1] = RECEIVE_TIMEOUT_SECONDS;
  if (setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, timeout, timeout.length) < 0) {
    const failure = new SyscallError("setsockopt", errorNumber());
    close(descriptor);
    throw failure;
  }
  return descriptor;
}

// Shared by all dumps that are read without a pause.
const sharedBuffer = new Uint8Array(RECEIVE_BYTES);

/**
 * Sends a dump request and passes every message of the answer to `take`. Throws SyscallError if the dump
 * fails.
 */
export function dump(descriptor: number, request: Uint8Array, take: TakeMessage): void {
  new Dump(descriptor, request, sharedBuffer).read(READS_MAX, take);
}

/** Reads of a dump between two pauses: 16 of 32 KiB, about 2 ms. */
const READS_PER_STEP = 16;

/**
 * Like dump(), for answers of any size: awaits `pause` every few reads, so that a dump of a million rows does
 * not block other work. The kernel produces the answer as it is read. Rejects with SyscallError if the dump
 * fails.
 */
export async function dumpInSteps(
  descriptor: number,
  request: Uint8Array,
  take: TakeMessage,
  pause: () => Promise<unknown>,
): Promise<void> {
  // A separate buffer, since other dumps may run in the pauses.
  const answer = new Dump(descriptor, request, new Uint8Array(RECEIVE_BYTES));
  while (!answer.read(READS_PER_STEP, take)) await pause();
}

// A dump whose answer is being read.
class Dump {
  readonly #descriptor: number;
  readonly #buffer: Uint8Array;
  readonly #view: DataView;
  #readsLeft = READS_MAX;

  constructor(descriptor: number, request: Uint8Array, buffer: Uint8Array) {
    this.#descriptor = descriptor;
    this.#buffer = buffer;
    this.#view = new DataView(buffer.buffer);
    const { send, errorNumber } = syscalls();
    if (send(descriptor, request, request.length, 0) < 0) throw new SyscallError("send", errorNumber());
  }

  /** Reads at most `readsMax` chunks; returns whether the answer is complete. Throws SyscallError. */
  read(readsMax: number, take: TakeMessage): boolean {
    const { recv, errorNumber } = syscalls();
    for (let reads = 0; reads < readsMax && this.#readsLeft > 0; reads++, this.#readsLeft--) {
      const count = recv(this.#descriptor, this.#buffer, this.#buffer.length, 0);
      if (count < 0) {
        const failure = errorNumber();
        if (failure === EINTR) continue;
        throw new SyscallError("recv", failure);
      }
      const progress = readMessages(this.#view, 0, count, hostIsLittleEndian, take);
      if (progress.kind === "done") return true;
      if (progress.kind === "failed") throw new SyscallError("netlink dump", progress.errorNumber);
    }
    if (this.#readsLeft === 0) throw new SyscallError("netlink dump", EBADMSG);
    return false;
  }
}

/** Returns the type of the message whose payload starts at `payloadStart`. */
export function messageType(view: DataView, payloadStart: number, littleEndian: boolean): number {
  return view.getUint16(payloadStart - NLMSG_HDR_BYTES + 4, littleEndian);
}
