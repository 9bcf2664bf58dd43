// A socket that receives the kernel's netlink multicast events: conntrack entries, destroyed sockets, network
// namespaces. It is drained in batches by recvmmsg(2): at 26,000 connections a second one call per event would
// cost four times as much.

import { hostIsLittleEndian } from "../byte-order.ts";
import { AF_NETLINK, EAGAIN, EINTR, ENOBUFS, SO_RCVBUF, SO_RCVBUFFORCE, SOL_SOCKET } from "../constants.ts";
import { openNetlink, readMessages } from "./netlink.ts";
import { SyscallError, syscalls } from "../syscalls.ts";

/** Default number of datagrams per call. */
const BATCH = 128;

/** Maximum calls of one drain (32,768 events, some 30 ms); the rest waits for the next one. */
const CALLS_MAX = 256;

// struct mmsghdr and struct iovec of 64-bit machines in 64-bit words, and positions in a mmsghdr in 32-bit
// words.
const HEADER_WORDS = 8;
const VECTOR_WORDS = 2;
const CONTROL_LENGTH = hostIsLittleEndian ? 10 : 11;
const MESSAGE_LENGTH = 14;

/** Bytes for ancillary data: a cmsghdr of 16 bytes and an int, aligned. */
const CONTROL_BYTES = 24;
const CONTROL_LEVEL = 8;
const CONTROL_VALUE = 16;

const SOCKADDR_NL_BYTES = 12;
const SOL_NETLINK = 270;
const NETLINK_LISTEN_ALL_NSID = 8;
const MSG_DONTWAIT = 0x40;

/**
 * The nsid of the network namespace that the socket is in; other namespaces have the ids that it assigned to
 * them.
 */
export const OWN_NAMESPACE = -1;

/** What to listen to. */
export interface EventSocketOptions {
  /** Netlink protocol (NETLINK_NETFILTER …). */
  readonly protocol: number;
  /** Multicast groups, 1 to 32. */
  readonly groups: readonly number[];
  /** Maximum bytes of one datagram. */
  readonly slotBytes: number;
  /** Datagrams per call; each costs its slot and 100 bytes. */
  readonly batch?: number;
  /**
   * Whether to receive the events of every network namespace that has an id in the socket's own. Needs
   * NET_BROADCAST; without it only the socket's own namespace is covered.
   */
  readonly allNamespaces?: boolean;
}

/** Takes one message: its payload is bytes [start, end) of the view; nsid is the namespace it happened in. */
export type TakeEvent = (view: DataView, start: number, end: number, nsid: number) => void;

/** The result of a drain. */
interface Drained {
  readonly events: number;
  /** Whether the kernel dropped events since the last drain because the buffer was full. */
  readonly lost: boolean;
}

/** An open event socket of the network namespace that it was opened in; it keeps that namespace alive. */
export class EventSocket {
  readonly descriptor: number;
  readonly #view: DataView;
  readonly #slotBytes: number;
  readonly #headers: BigUint64Array;
  readonly #headerWords: Uint32Array;
  readonly #controls: DataView;
  // The target of the headers' pointers: referenced here as long as the kernel may write to it.
  readonly #memory: ArrayBuffer;
  readonly #vectors: BigUint64Array;
  readonly #allNamespaces: boolean;
  readonly #batch: number;

  /**
   * Opens the socket in this thread's network namespace; throws SyscallError, with EPERM if a capability is
   * missing.
   */
  constructor(options: EventSocketOptions) {
    const { protocol, groups, slotBytes, allNamespaces = false, batch = BATCH } = options;
    this.#batch = batch;
    const { bind, close, errorNumber, addressOf } = syscalls();
    this.#allNamespaces = allNamespaces;
    this.#slotBytes = slotBytes;
    this.#memory = new ArrayBuffer(batch * slotBytes);
    this.#view = new DataView(this.#memory);
    this.#vectors = new BigUint64Array(new ArrayBuffer(batch * VECTOR_WORDS * 8));
    this.#headers = new BigUint64Array(new ArrayBuffer(batch * HEADER_WORDS * 8));
    this.#headerWords = new Uint32Array(this.#headers.buffer);
    this.#controls = new DataView(new ArrayBuffer(batch * CONTROL_BYTES));
    const slots = addressOf(this.#memory);
    const vectors = addressOf(this.#vectors.buffer as ArrayBuffer);
    const controls = addressOf(this.#controls.buffer as ArrayBuffer);
    for (let i = 0; i < batch; i++) {
      this.#vectors[i * VECTOR_WORDS] = slots + BigInt(i * slotBytes);
      this.#vectors[i * VECTOR_WORDS + 1] = BigInt(slotBytes);
      this.#headers[i * HEADER_WORDS + 2] = vectors + BigInt(i * VECTOR_WORDS * 8);
      this.#headers[i * HEADER_WORDS + 3] = 1n;
      if (allNamespaces) this.#headers[i * HEADER_WORDS + 4] = controls + BigInt(i * CONTROL_BYTES);
    }
    this.descriptor = openNetlink(protocol);
    // Binding gives the socket an address: without one it would count as the kernel's and receive nothing.
    const address = new DataView(new ArrayBuffer(SOCKADDR_NL_BYTES));
    address.setUint16(0, AF_NETLINK, hostIsLittleEndian);
    const mask = groups.reduce((bits, group) => bits | (1 << (group - 1)), 0);
    address.setUint32(8, mask >>> 0, hostIsLittleEndian);
    if (allNamespaces) this.#hearAll();
    if (bind(this.descriptor, new Uint8Array(address.buffer), SOCKADDR_NL_BYTES) < 0) {
      const failure = new SyscallError("bind", errorNumber());
      close(this.descriptor);
      throw failure;
    }
  }

  /** Requests a buffer of `bytes` bytes; only NET_ADMIN may exceed net.core.rmem_max. */
  resize(bytes: number): void {
    const { setsockopt } = syscalls();
    const value = word(bytes);
    if (setsockopt(this.descriptor, SOL_SOCKET, SO_RCVBUFFORCE, value, 4) < 0)
      setsockopt(this.descriptor, SOL_SOCKET, SO_RCVBUF, value, 4);
  }

  /** Passes the message of every waiting event to `take`, without waiting for more. Throws SyscallError. */
  drain(take: TakeEvent): Drained {
    const { recvmmsg, errorNumber } = syscalls();
    let events = 0;
    let lost = false;
    let nsid = OWN_NAMESPACE;
    const takeOne = (view: DataView, start: number, end: number): void => take(view, start, end, nsid);
    for (let calls = 0; calls < CALLS_MAX; calls++) {
      if (this.#allNamespaces)
        for (let i = 0; i < this.#batch; i++)
          this.#headerWords[i * HEADER_WORDS * 2 + CONTROL_LENGTH] = CONTROL_BYTES;
      const count = recvmmsg(this.descriptor, this.#headers, this.#batch, MSG_DONTWAIT, null);
      if (count < 0) {
        const failure = errorNumber();
        if (failure === EAGAIN) break;
        if (failure === ENOBUFS) lost = true;
        else if (failure !== EINTR) throw new SyscallError("recvmmsg", failure);
        continue;
      }
      for (let i = 0; i < count; i++) {
        const length = this.#headerWords[i * HEADER_WORDS * 2 + MESSAGE_LENGTH]!;
        if (this.#allNamespaces) nsid = this.#nsidOf(i);
        // A datagram that is truncated or malformed is a lost event.
        const from = i * this.#slotBytes;
        const to = from + Math.min(length, this.#slotBytes);
        if (readMessages(this.#view, from, to, hostIsLittleEndian, takeOne).kind === "failed") lost = true;
      }
      events += count;
      if (count < this.#batch) break;
    }
    return { events, lost };
  }

  close(): void {
    syscalls().close(this.descriptor);
  }

  // Events of the socket's own namespace have no ancillary data.
  #nsidOf(datagram: number): number {
    if (this.#headerWords[datagram * HEADER_WORDS * 2 + CONTROL_LENGTH]! < CONTROL_VALUE + 4)
      return OWN_NAMESPACE;
    const at = datagram * CONTROL_BYTES;
    const hasNumber =
      this.#controls.getInt32(at + CONTROL_LEVEL, hostIsLittleEndian) === SOL_NETLINK &&
      this.#controls.getInt32(at + CONTROL_LEVEL + 4, hostIsLittleEndian) === NETLINK_LISTEN_ALL_NSID;
    return hasNumber ? this.#controls.getInt32(at + CONTROL_VALUE, hostIsLittleEndian) : OWN_NAMESPACE;
  }

  #hearAll(): void {
    const { setsockopt, errorNumber, close } = syscalls();
    if (setsockopt(this.descriptor, SOL_NETLINK, NETLINK_LISTEN_ALL_NSID, word(1), 4) >= 0) return;
    const failure = new SyscallError("setsockopt", errorNumber());
    close(this.descriptor);
    throw failure;
  }
}

function word(value: number): Uint8Array {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setUint32(0, value, hostIsLittleEndian);
  return bytes;
}
