// Netlink messages: how a dump is asked for and how its answer is cut into messages
// (include/uapi/linux/netlink.h). The framing is pure; `dump` is the thin shell around the socket. All numbers
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

/** How long a read of a dump may wait: the kernel answers at once, or something is amiss. */
const RECEIVE_TIMEOUT_SECONDS = 2;

/** Reads of one dump at most: 2^17 of at least one message each; a dump that is longer counts as failed. */
const READS_MAX = 2 ** 17;

/** How far a chunk of a dump's answer brought it: more to come, complete, or failed with an errno. */
type DumpProgress =
  | { readonly kind: "more" }
  | { readonly kind: "done" }
  | { readonly kind: "failed"; readonly errorNumber: number };

/** errno of a dump that was changed while it was made (EINTR): it has to be requested again. */
export const DUMP_INTERRUPTED = EINTR;

/** A dump request: a header and the payload that its type asks for. */
export function dumpRequest(type: number, payload: Uint8Array, littleEndian: boolean): Uint8Array {
  const message = new Uint8Array(NLMSG_HDR_BYTES + payload.length);
  const view = new DataView(message.buffer);
  view.setUint32(0, message.length, littleEndian);
  view.setUint16(4, type, littleEndian);
  view.setUint16(6, NLM_F_REQUEST | NLM_F_DUMP, littleEndian);
  message.set(payload, NLMSG_HDR_BYTES);
  return message;
}

// One object each: progress is told for every datagram, and nothing is allocated for it.
const MORE: DumpProgress = { kind: "more" };
const DONE: DumpProgress = { kind: "done" };

/** Takes a message: its payload is view bytes [start, end). */
type TakeMessage = (view: DataView, start: number, end: number) => void;

/**
 * Cuts view bytes [from, to) of an answer into messages and hands the payload of each to `take`. Any bytes do
 * no harm: a message that does not fit ends the chunk as failed.
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
      // Both may carry an errno, negative; "done" without one is done.
      const errorNumber =
        messageBytes >= NLMSG_HDR_BYTES + 4 ? -view.getInt32(position + NLMSG_HDR_BYTES, littleEndian) : 0;
      return type === NLMSG_DONE && errorNumber <= 0 ? DONE : { kind: "failed", errorNumber };
    }
    take(view, position + NLMSG_HDR_BYTES, end);
    position = (end + 3) & ~3;
  }
  return MORE;
}

/** Opens a netlink socket in the network namespace of this thread. Throws SyscallError. */
export function openNetlink(protocol: number): number {
  const { socket, setsockopt, errorNumber, close } = syscalls();
  const descriptor = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, protocol);
  if (descriptor < 0) throw new SyscallError("socket", errorNumber());
  // struct timeval: two longs, which have the width of a pointer.
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

// One for all dumps that are read to their end in one stretch.
const sharedBuffer = new Uint8Array(RECEIVE_BYTES);

/**
 * Sends a dump request and hands every message of the answer to `take`. Throws SyscallError where the dump
 * fails.
 */
export function dump(descriptor: number, request: Uint8Array, take: TakeMessage): void {
  new Dump(descriptor, request, sharedBuffer).read(READS_MAX, take);
}

/** Reads of a dump in steps after which others get their turn: 16 of 32 KiB, about 2 ms. */
const READS_PER_STEP = 16;

/**
 * Like dump(), for answers of any size: every few reads `pause` is awaited, so that nothing else waits for a
 * dump of a million rows. The kernel makes the answer as it is read. Rejects with SyscallError where the dump
 * fails.
 */
export async function dumpInSteps(
  descriptor: number,
  request: Uint8Array,
  take: TakeMessage,
  pause: () => Promise<unknown>,
): Promise<void> {
  // A buffer of its own: other dumps may be made in the pauses.
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

  /** Reads at most so many chunks; whether that was all of it. Throws SyscallError. */
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

/** Type of the message whose payload begins at a position. */
export function messageType(view: DataView, payloadStart: number, littleEndian: boolean): number {
  return view.getUint16(payloadStart - NLMSG_HDR_BYTES + 4, littleEndian);
}
