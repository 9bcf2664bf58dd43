// Queries the number (nsid) that this network namespace has for another one; the kernel's announcements name
// namespaces by it. RTM_GETNSID (net/core/net_namespace.c) only reads: the agent never assigns a number.

import { closeSync, fstatSync, openSync } from "node:fs";

import { hostIsLittleEndian } from "../kernel/byte-order.ts";
import { NETLINK_ROUTE, NLM_F_REQUEST, NLMSG_HDR_BYTES } from "../kernel/constants.ts";
import { openNetlink, readMessages } from "../kernel/netlink/netlink.ts";
import { SyscallError, syscalls } from "../kernel/syscalls.ts";

const RTM_GETNSID = 90;
const NETNSA_NSID = 1;
const NETNSA_FD = 3;

/** struct rtgenmsg, padded. */
const FAMILY_BYTES = 4;
const ATTRIBUTE_BYTES = 8;
const REQUEST_BYTES = NLMSG_HDR_BYTES + FAMILY_BYTES + ATTRIBUTE_BYTES;

/** A namespace that is mounted on a file. */
interface NumberedNamespace {
  readonly inode: number;
  /** The number that this thread's namespace has for it; null if it has none. */
  readonly nsid: number | null;
}

/** Queries in the network namespace of this thread. */
export class NamespaceNumbers {
  readonly #descriptor: number;
  readonly #answer = new Uint8Array(4096);

  /** Throws SyscallError. */
  constructor() {
    this.#descriptor = openNetlink(NETLINK_ROUTE);
  }

  /**
   * Returns the namespace of a file like /proc/<pid>/ns/net or /run/netns/<name>; null if it cannot be opened
   * (the process is gone, SYS_PTRACE is missing) or queried. The file is open only during the query.
   */
  ask(path: string): NumberedNamespace | null {
    let descriptor = -1;
    try {
      descriptor = openSync(path, "r");
      return { inode: fstatSync(descriptor).ino, nsid: this.#numberOf(descriptor) };
    } catch {
      return null;
    } finally {
      if (descriptor >= 0) closeSync(descriptor);
    }
  }

  close(): void {
    syscalls().close(this.#descriptor);
  }

  #numberOf(descriptor: number): number | null {
    const { send, recv, errorNumber } = syscalls();
    const request = new Uint8Array(REQUEST_BYTES);
    const view = new DataView(request.buffer);
    view.setUint32(0, REQUEST_BYTES, hostIsLittleEndian);
    view.setUint16(4, RTM_GETNSID, hostIsLittleEndian);
    view.setUint16(6, NLM_F_REQUEST, hostIsLittleEndian);
    view.setUint16(NLMSG_HDR_BYTES + FAMILY_BYTES, ATTRIBUTE_BYTES, hostIsLittleEndian);
    view.setUint16(NLMSG_HDR_BYTES + FAMILY_BYTES + 2, NETNSA_FD, hostIsLittleEndian);
    view.setUint32(NLMSG_HDR_BYTES + FAMILY_BYTES + 4, descriptor, hostIsLittleEndian);
    if (send(this.#descriptor, request, request.length, 0) < 0) throw new SyscallError("send", errorNumber());
    const count = recv(this.#descriptor, this.#answer, this.#answer.length, 0);
    if (count < 0) throw new SyscallError("recv", errorNumber());
    let nsid = -1;
    readMessages(new DataView(this.#answer.buffer), 0, count, hostIsLittleEndian, (message, start, end) => {
      nsid = attributeOf(message, start + FAMILY_BYTES, end);
    });
    return nsid < 0 ? null : nsid;
  }
}

/**
 * Returns the number in an announcement of RTNLGRP_NSID, whose payload is view bytes [start, end); -1 if it
 * has none.
 */
export function announcedNumber(view: DataView, start: number, end: number): number {
  return attributeOf(view, start + FAMILY_BYTES, end);
}

function attributeOf(view: DataView, from: number, end: number): number {
  for (let at = from; at + ATTRIBUTE_BYTES <= end;) {
    const bytes = view.getUint16(at, hostIsLittleEndian);
    if (view.getUint16(at + 2, hostIsLittleEndian) === NETNSA_NSID && bytes >= ATTRIBUTE_BYTES)
      return view.getInt32(at + 4, hostIsLittleEndian);
    if (bytes < 4) return -1;
    at = (at + bytes + 3) & ~3;
  }
  return -1;
}
