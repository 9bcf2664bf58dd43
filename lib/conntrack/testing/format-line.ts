// Formats an entry as a line of conntrack's text forms: the line that it was parsed from, or, for an entry
// read over netlink, the line that `conntrack -L` prints.

import { formatAddress } from "../../address.ts";
import type { ConntrackEntry } from "../conntrack-entry.ts";
import { EntryField, Place, ZoneDirection } from "../conntrack-entry.ts";
import { FlowStatus } from "../flow-status.ts";
import { conntrackProtocolWord } from "../../vocabulary/protocols.ts";
import { flowStateWord } from "../../vocabulary/states.ts";
import { TupleKind } from "../tuple-kind.ts";
import { formatTextTime } from "../text-time.ts";

/** Formats an entry as a line without a newline. Fields that the entry does not have are omitted. */
export function formatConntrackLine(entry: ConntrackEntry): string {
  const has = (field: number): boolean => (entry.has & field) !== 0;
  const fields: string[] = [];
  if (has(EntryField.family)) fields.push(`ipv${entry.family}`.padEnd(8), entry.family === 4 ? "2" : "10");
  const protocol = has(EntryField.unnamedProtocol) ? "unknown" : conntrackProtocolWord(entry.protocol);
  fields.push(protocol.padEnd(8), String(entry.protocol));
  if (has(EntryField.timeout)) fields.push(String(entry.timeoutSeconds));
  if (has(EntryField.greTimeouts))
    fields.push(`timeout=${entry.greTimeout},`, `stream_timeout=${entry.greStreamTimeout}`);
  if (has(EntryField.state)) fields.push(flowStateWord(entry.protocol, entry.state));
  pushTuple(fields, entry, Place.originalSource, ZoneDirection.original);
  if ((entry.status & FlowStatus.seenReply) === 0) fields.push("[UNREPLIED]");
  pushTuple(fields, entry, Place.replySource, ZoneDirection.reply);
  if ((entry.status & FlowStatus.hardwareOffload) !== 0) fields.push("[HW_OFFLOAD]");
  else if ((entry.status & FlowStatus.offload) !== 0) fields.push("[OFFLOAD]");
  else if ((entry.status & FlowStatus.assured) !== 0) fields.push("[ASSURED]");
  if (has(EntryField.mark)) fields.push(`mark=${entry.mark}`);
  if (entry.securityContext !== "") fields.push(`secctx=${entry.securityContext}`);
  if (has(EntryField.zone) && entry.zoneDirection === ZoneDirection.both) fields.push(`zone=${entry.zone}`);
  if (has(EntryField.age)) fields.push(`delta-time=${entry.ageSeconds}`);
  if (has(EntryField.start)) fields.push(`[start=${formatTextTime(entry.startMs)}]`);
  if (has(EntryField.stop)) fields.push(`[stop=${formatTextTime(entry.stopMs)}]`);
  if (entry.helper !== "") fields.push(`helper=${entry.helper}`);
  if (has(EntryField.references)) fields.push(`use=${entry.references}`);
  if (has(EntryField.id)) fields.push(`id=${entry.id}`);
  if (entry.labels !== "") fields.push(`labels=${entry.labels}`);
  return fields.join(" ");
}

function pushTuple(fields: string[], entry: ConntrackEntry, place: number, direction: number): void {
  const { addresses, ports, tuple, counters } = entry;
  const address = (which: number): string =>
    (entry.has & EntryField.longAddresses) === 0
      ? formatAddress(addresses, which * 4)
      : formatLong(addresses, which * 4);
  fields.push(`src=${address(place)}`, `dst=${address(place + 1)}`);
  const source = ports[place]!;
  const destination = ports[place + 1]!;
  if (tuple === TupleKind.ports) fields.push(`sport=${source}`, `dport=${destination}`);
  else if (tuple === TupleKind.icmp)
    fields.push(`type=${destination >> 8}`, `code=${destination & 255}`, `id=${source}`);
  else if (tuple === TupleKind.greKeys)
    fields.push(`srckey=0x${source.toString(16)}`, `dstkey=0x${destination.toString(16)}`);
  if ((entry.has & EntryField.zone) !== 0 && entry.zoneDirection === direction)
    fields.push(`${direction === ZoneDirection.original ? "zone-orig" : "zone-reply"}=${entry.zone}`);
  if ((entry.has & EntryField.counters) !== 0)
    fields.push(`packets=${counters[place]}`, `bytes=${counters[place + 1]}`);
}

function formatLong(words: Uint32Array, offset: number): string {
  const groups: string[] = [];
  for (let i = 0; i < 4; i++) {
    const hex = words[offset + i]!.toString(16).padStart(8, "0");
    groups.push(hex.slice(0, 4), hex.slice(4));
  }
  return groups.join(":");
}
