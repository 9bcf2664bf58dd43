// Creates the stream that carries reports, or updates its settings. Only the aggregator calls it: agents may
// only publish. While an upgrade runs, aggregators of two versions do so: the older one leaves the stream
// alone.

import {
  DiscardPolicy,
  JetStreamApiCodes,
  JetStreamApiError,
  type JetStreamManager,
  RetentionPolicy,
  StorageType,
  type StreamInfo,
} from "@nats-io/jetstream";
import { nanos } from "@nats-io/transport-node";
import packageJson from "../../package.json" with { type: "json" };
import { STREAM_NAME, STREAM_SUBJECTS } from "./subjects.ts";

/** How long JetStream remembers message ids. Agents keep acknowledged reports no longer than this. */
const DUPLICATE_WINDOW_MS = 120_000;

/** The operator's settings of the stream. */
export interface StreamSettings {
  /** How long reports are kept, in milliseconds. */
  readonly ageMsMax: number;
  /** Total bytes of reports kept, for all nodes. */
  readonly bytesMax: number;
  /** Number of NATS servers that store them (1, 3 or 5). */
  readonly replicas: number;
}

/** The version is in the description, since servers before 2.10 keep no metadata. */
const DESCRIPTION = "Reports of whotalks agents; set up by whotalks ";

/**
 * Creates the stream if it is missing, else updates what differs, unless a newer version has set it up;
 * returns its state. Throws JetStreamApiError if NATS refuses (not enough storage, fewer servers than
 * replicas), NoRespondersError or TimeoutError if JetStream does not answer.
 */
export async function ensureStream(
  manager: JetStreamManager,
  settings: StreamSettings,
  version = packageJson.version,
): Promise<StreamInfo> {
  const wanted = {
    description: DESCRIPTION + version,
    subjects: [STREAM_SUBJECTS],
    max_age: nanos(settings.ageMsMax),
    max_bytes: settings.bytesMax,
    num_replicas: settings.replicas,
    // Drop the oldest: an agent never has to stop because the log is full.
    discard: DiscardPolicy.Old,
    duplicate_window: nanos(Math.min(DUPLICATE_WINDOW_MS, settings.ageMsMax)),
    allow_direct: true,
  };
  const present = await infoOrNull(manager);
  if (present === null) {
    // Retention and storage cannot be changed later, so an update omits them.
    return manager.streams.add({
      name: STREAM_NAME,
      retention: RetentionPolicy.Limits,
      storage: StorageType.File,
      ...wanted,
    });
  }
  if (newerVersion(present, version) !== null) return present;
  const config: Readonly<Record<string, unknown>> = { ...present.config };
  const same = Object.entries(wanted).every(
    ([key, value]) => JSON.stringify(config[key]) === JSON.stringify(value),
  );
  return same ? present : manager.streams.update(STREAM_NAME, wanted);
}

/** The version that has set up a stream, if it is newer than this one; null otherwise. */
export function newerVersion({ config }: StreamInfo, version = packageJson.version): string | null {
  const { description = "" } = config;
  if (!description.startsWith(DESCRIPTION)) return null;
  const found = description.slice(DESCRIPTION.length);
  return compareVersions(found, version) > 0 ? found : null;
}

// Compares the numbers of two versions; what follows them (-rc.1) does not count.
function compareVersions(a: string, b: string): number {
  const [left, right] = [numbersOf(a), numbersOf(b)];
  for (let at = 0; at < Math.max(left.length, right.length); at++) {
    const difference = (left[at] ?? 0) - (right[at] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
}

function numbersOf(version: string): number[] {
  const [numbers = ""] = version.match(/^\d{1,9}(?:\.\d{1,9})*/) ?? [];
  return numbers.split(".").map(Number);
}

async function infoOrNull(manager: JetStreamManager): Promise<StreamInfo | null> {
  try {
    return await manager.streams.info(STREAM_NAME);
  } catch (error) {
    if (error instanceof JetStreamApiError && error.code === JetStreamApiCodes.StreamNotFound) return null;
    throw error;
  }
}
