// Assigns to each unix, netlink and packet socket of a pass its id of the previous pass, or a new one. These
// are few (hundreds to thousands per node), so rows are objects and keys are strings.

import type { FamilySocket } from "../../../lib/gen/whotalks/v1/report.ts";
import type { IdPool } from "../ids/id-pool.ts";

/** Maximum unix, netlink and packet sockets of one node; what overflows is counted. */
const FAMILY_SOCKETS_MAX = 2 ** 17;

/** Sockets by id, and how many did not fit. */
interface SettledFamilySockets {
  readonly sockets: ReadonlyMap<number, FamilySocket>;
  /** Whether they are those of the previous pass, in the same order. */
  readonly unmoved: boolean;
  readonly overflowed: number;
}

/** Fills id and firstSeen of each socket read; `previous` is the previous pass of the same epoch. */
export function settleFamilySockets(
  previous: ReadonlyMap<number, FamilySocket>,
  read: readonly FamilySocket[],
  ids: IdPool,
  ticks: number,
): SettledFamilySockets {
  if (isUnmoved(previous, read)) return { sockets: previous, unmoved: true, overflowed: 0 };
  const known = new Map<string, FamilySocket>();
  for (const socket of previous.values()) known.set(uniqueKey(known, socket), socket);
  const settled = new Map<string, FamilySocket>();
  for (const socket of read.slice(0, FAMILY_SOCKETS_MAX)) {
    const key = uniqueKey(settled, socket);
    const before = known.get(key);
    socket.id = before?.id ?? ids.take();
    socket.firstSeen = before?.firstSeen ?? ticks;
    settled.set(key, socket);
  }
  for (const [key, socket] of known) if (!settled.has(key)) ids.giveBack(socket.id);
  const before = [...previous.keys()];
  const now = [...settled.values()];
  return {
    unmoved: now.length === before.length && now.every(({ id }, place) => id === before[place]),
    sockets: new Map([...settled.values()].map((socket) => [socket.id, socket])),
    overflowed: Math.max(0, read.length - FAMILY_SOCKETS_MAX),
  };
}

// Readers return the same objects again if nothing was read again.
function isUnmoved(previous: ReadonlyMap<number, FamilySocket>, read: readonly FamilySocket[]): boolean {
  if (previous.size !== read.length) return false;
  let place = 0;
  for (const socket of previous.values()) if (socket !== read[place++]) return false;
  return true;
}

// Sockets without an inode (unix connections not yet accepted, the kernel's netlink sockets) may look the
// same: their order distinguishes them.
function uniqueKey(taken: ReadonlyMap<string, unknown>, socket: FamilySocket): string {
  const key = `${socket.family} ${socket.namespace} ${socket.inode} ${socket.number} ${socket.portId} ${socket.path}`;
  let unique = key;
  for (let place = 1; taken.has(unique); place++) unique = `${key} #${place}`;
  return unique;
}
