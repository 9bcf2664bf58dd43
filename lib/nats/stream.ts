// Creates the stream that carries reports, or updates its settings. Only the aggregator calls it: agents may
// only publish.

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

/**
 * Creates the stream if it is missing, else updates what differs; returns its state. Throws JetStreamApiError
 * if NATS refuses (not enough storage, fewer servers than replicas), NoRespondersError or TimeoutError if
 * JetStream does not answer.
 */
export async function ensureStream(manager: JetStreamManager, settings: StreamSettings): Promise<StreamInfo> {
  const wanted = {
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
  const config: Readonly<Record<string, unknown>> = { ...present.config };
  const same = Object.entries(wanted).every(
    ([key, value]) => JSON.stringify(config[key]) === JSON.stringify(value),
  );
  return same ? present : manager.streams.update(STREAM_NAME, wanted);
}

async function infoOrNull(manager: JetStreamManager): Promise<StreamInfo | null> {
  try {
    return await manager.streams.info(STREAM_NAME);
  } catch (error) {
    if (error instanceof JetStreamApiError && error.code === JetStreamApiCodes.StreamNotFound) return null;
    throw error;
  }
}
