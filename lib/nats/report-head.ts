// Reads the first fields of an encoded report, which the transport needs, without decoding its columns.

import { BinaryReader } from "@bufbuild/protobuf/wire";

/** The fields of a report that identify it (proto/whotalks/v1/report.proto). */
export interface ReportHead {
  readonly node: string;
  readonly epoch: number;
  readonly sequence: number;
  readonly keyframe: boolean;
  readonly part: number;
  readonly parts: number;
}

/** The number of the last field of the head; writers put fields in ascending order. */
const LAST_FIELD = 8;

/**
 * Reads the head of an encoded report; returns null if the bytes are not a report or a field is invalid. Never
 * throws.
 */
export function readReportHead(report: Uint8Array): ReportHead | null {
  const head = { node: "", epoch: 0, sequence: 0, keyframe: false, part: 0, parts: 1 };
  try {
    const reader = new BinaryReader(report);
    while (reader.pos < reader.len) {
      const [field, wireType] = reader.tag();
      if (field > LAST_FIELD) break;
      if (field === 2) head.node = reader.string();
      else if (field === 4) head.epoch = Number(reader.uint64());
      else if (field === 5) head.sequence = Number(reader.uint64());
      else if (field === 6) head.keyframe = reader.bool();
      else if (field === 7) head.part = reader.uint32();
      else if (field === 8) head.parts = reader.uint32();
      else reader.skip(wireType, field);
    }
  } catch {
    return null;
  }
  const sensible =
    head.node !== "" &&
    Number.isSafeInteger(head.epoch) &&
    Number.isSafeInteger(head.sequence) &&
    head.part < Math.max(1, head.parts);
  return sensible ? head : null;
}

/** Whether a replay of the node may start at this report. */
export function startsKeyframe(head: ReportHead): boolean {
  return head.keyframe && head.part === 0;
}

/** Whether this report completes a keyframe. */
export function endsKeyframe(head: ReportHead): boolean {
  return head.keyframe && head.part + 1 >= head.parts;
}
