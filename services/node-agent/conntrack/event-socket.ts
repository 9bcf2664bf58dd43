// The socket on which the kernel announces conntrack entries that begin and end. It is drained in batches by
// recvmmsg(2): at 26,000 connections a second a call per event would cost four times as much.

import { hostIsLittleEndian, NETLINK_NETFILTER, openNetlink, readMessages } from "../kernel/netlink.ts";
import { SyscallError, syscalls } from "../kernel/syscalls.ts";
import { CtGroup } from "./ctnetlink.ts";

/** Datagrams per call, and bytes of each: an event with every attribute has less than 1 KiB. */
const BATCH = 128;
const SLOT_BYTES = 4096;

/** Calls of one drain at most (32,768 events, some 30 ms); what is left waits for the next one. */
const CALLS_MAX = 256;

// struct mmsghdr and struct iovec of 64-bit machines, in words of 64 bits.
const HEADER_WORDS = 8;
const VECTOR_WORDS = 2;

const AF_NETLINK = 16;
const SOCKADDR_NL_BYTES = 12;
const SOL_SOCKET = 1;
const SO_RCVBUF = 8;
const SO_RCVBUFFORCE = 33;
const MSG_DONTWAIT = 0x40;
const EAGAIN = 11;
const EINTR = 4;
const ENOBUFS = 105;

/** What a drain brought. */
export interface Drained {
  readonly events: number;
  /** Whether the kernel had to drop events since the last drain, for lack of buffer. */
  readonly lost: boolean;
}

/** An open event socket; it belongs to the network namespace that it was opened in, and keeps that alive. */
export class ConntrackEventSocket {
  readonly descriptor: number;
  readonly #slots: Uint8Array[] = [];
  readonly #headers: BigUint64Array;
  // What the headers point to: referenced here for as long as the kernel may write to it.
  readonly #memory: ArrayBuffer;
  readonly #vectors: BigUint64Array;

  /** Opens it in this thread's network namespace; throws SyscallError, with EPERM where NET_ADMIN is missing. */
  constructor(bufferBytes: number) {
    const { bind, close, errorNumber, addressOf } = syscalls();
    this.#memory = new ArrayBuffer(BATCH * SLOT_BYTES);
    this.#vectors = new BigUint64Array(new ArrayBuffer(BATCH * VECTOR_WORDS * 8));
    this.#headers = new BigUint64Array(new ArrayBuffer(BATCH * HEADER_WORDS * 8));
    const slots = addressOf(this.#memory);
    const vectors = addressOf(this.#vectors.buffer as ArrayBuffer);
    for (let i = 0; i < BATCH; i++) {
      this.#slots.push(new Uint8Array(this.#memory, i * SLOT_BYTES, SLOT_BYTES));
      this.#vectors[i * VECTOR_WORDS] = slots + BigInt(i * SLOT_BYTES);
      this.#vectors[i * VECTOR_WORDS + 1] = BigInt(SLOT_BYTES);
      this.#headers[i * HEADER_WORDS + 2] = vectors + BigInt(i * VECTOR_WORDS * 8);
      this.#headers[i * HEADER_WORDS + 3] = 1n;
    }
    this.descriptor = openNetlink(NETLINK_NETFILTER);
    this.resize(bufferBytes);
    // Being bound gives the socket an address: one without would count as the kernel itself and hear nothing.
    const address = new DataView(new ArrayBuffer(SOCKADDR_NL_BYTES));
    address.setUint16(0, AF_NETLINK, hostIsLittleEndian);
    const groups = (1 << (CtGroup.new - 1)) | (1 << (CtGroup.destroy - 1));
    address.setUint32(8, groups, hostIsLittleEndian);
    if (bind(this.descriptor, new Uint8Array(address.buffer), SOCKADDR_NL_BYTES) < 0) {
      const failure = new SyscallError("bind", errorNumber());
      close(this.descriptor);
      throw failure;
    }
  }

  /** Asks for a buffer of this many bytes: beyond net.core.rmem_max where NET_ADMIN allows, else up to it. */
  resize(bytes: number): void {
    const { setsockopt } = syscalls();
    const value = new Uint8Array(4);
    new DataView(value.buffer).setUint32(0, bytes, hostIsLittleEndian);
    if (setsockopt(this.descriptor, SOL_SOCKET, SO_RCVBUFFORCE, value, 4) < 0)
      setsockopt(this.descriptor, SOL_SOCKET, SO_RCVBUF, value, 4);
  }

  /** Hands every waiting event's message to `take`, without waiting for more. Throws SyscallError. */
  drain(take: (view: DataView, start: number, end: number) => void): Drained {
    const { recvmmsg, errorNumber } = syscalls();
    let events = 0;
    let lost = false;
    for (let calls = 0; calls < CALLS_MAX; calls++) {
      const count = recvmmsg(this.descriptor, this.#headers, BATCH, MSG_DONTWAIT, null);
      if (count < 0) {
        const failure = errorNumber();
        if (failure === EAGAIN) break;
        if (failure === ENOBUFS) lost = true;
        else if (failure !== EINTR) throw new SyscallError("recvmmsg", failure);
        continue;
      }
      for (let i = 0; i < count; i++) {
        const length = Number(this.#headers[i * HEADER_WORDS + 7]! & 0xffffffffn);
        // A datagram that did not fit, or that makes no sense, is one event lost.
        if (readMessages(this.#slots[i]!, length, hostIsLittleEndian, take).kind === "failed") lost = true;
      }
      events += count;
      if (count < BATCH) break;
    }
    return { events, lost };
  }

  close(): void {
    syscalls().close(this.descriptor);
  }
}
