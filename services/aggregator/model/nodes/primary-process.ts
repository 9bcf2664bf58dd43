// Chooses a socket's primary process among its holders.

import type { ReadModel } from "../model.ts";
import { SocketKind } from "../sockets/socket-rows.ts";

/** The primary process of a socket, or -1. */
export function primaryProcess({ sockets, holders }: ReadModel, slot: number): number {
  return holders.primary(sockets.holders(slot), sockets.kind(slot) === SocketKind.listener);
}

/** Whether two sockets of one namespace are held by the same program in the same container or unit. */
export function areOfOneProgram(model: ReadModel, a: number, b: number): boolean {
  const { processes } = model;
  const first = primaryProcess(model, a);
  const second = primaryProcess(model, b);
  if (first === second) return true;
  if (first < 0 || second < 0) return false;
  const left = processes.row(first);
  const right = processes.row(second);
  return (
    left.exe === right.exe &&
    left.name === right.name &&
    left.unit === right.unit &&
    left.podUid === right.podUid &&
    left.containerId === right.containerId
  );
}
