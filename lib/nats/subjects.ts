// The NATS names that agents and aggregators share: the stream and its subjects.
//
//   whotalks.v1.report.<node>.keyframe   the first part of a keyframe, where a replay of the node may start
//   whotalks.v1.report.<node>.delta      everything else: deltas, and the further parts of a keyframe
//
// Only first parts are published on `.keyframe`, so the last message of that subject is the start of the
// newest keyframe, and NATS finds it in its subject index without a scan.

/** The stream that keeps all reports. */
export const STREAM_NAME = "WHOTALKS";

/** Every subject of the stream. */
export const STREAM_SUBJECTS = "whotalks.v1.report.>";

/** The subjects of first parts of keyframes. */
export const KEYFRAME_SUBJECTS = "whotalks.v1.report.*.keyframe";

const PREFIX = "whotalks.v1.report.";

/** What a subject says about its report. */
interface ReportSubject {
  readonly node: string;
  /** Whether it is the first part of a keyframe. */
  readonly startsKeyframe: boolean;
}

/** The subject of a report of the node. */
export function reportSubject(node: string, startsKeyframe: boolean): string {
  return `${PREFIX}${encodeToken(node)}.${startsKeyframe ? "keyframe" : "delta"}`;
}

/** Parses a subject; returns null if it is not a report's. */
export function parseReportSubject(subject: string): ReportSubject | null {
  if (!subject.startsWith(PREFIX)) return null;
  const [token, kind, ...rest] = subject.slice(PREFIX.length).split(".");
  if (token === undefined || rest.length > 0) return null;
  if (kind !== "keyframe" && kind !== "delta") return null;
  const node = decodeToken(token);
  return node === null ? null : { node, startsKeyframe: kind === "keyframe" };
}

/**
 * Encodes a name as one token of a subject: letters, digits and `-` stay, every other byte of its UTF-8
 * becomes `_` and two hexadecimal digits, since node names contain dots and a dot ends a token. Throws if the
 * name is empty.
 */
export function encodeToken(name: string): string {
  if (name === "") throw new RangeError("a node's name cannot be empty");
  let token = "";
  for (const byte of new TextEncoder().encode(name)) {
    const plain = String.fromCharCode(byte);
    token += /[A-Za-z0-9-]/.test(plain) ? plain : `_${byte.toString(16).toUpperCase().padStart(2, "0")}`;
  }
  return token;
}

/** Decodes a token; returns null if encodeToken() would not have written it. */
export function decodeToken(token: string): string | null {
  if (!/^(?:[A-Za-z0-9-]|_[0-9A-F]{2})+$/.test(token)) return null;
  const bytes: number[] = [];
  for (let i = 0; i < token.length; i++) {
    if (token[i] === "_") {
      bytes.push(Number.parseInt(token.slice(i + 1, i + 3), 16));
      i += 2;
    } else {
      bytes.push(token.charCodeAt(i));
    }
  }
  try {
    const name = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(Uint8Array.from(bytes));
    return encodeToken(name) === token ? name : null;
  } catch {
    return null;
  }
}
