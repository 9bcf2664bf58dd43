import type { StreamSettings } from "../nats/stream.ts";

/** A day or 4 GiB, on one server. */
export const defaultStreamSettings: StreamSettings = {
  ageMsMax: 86_400_000,
  bytesMax: 4 * 2 ** 30,
  replicas: 1,
};
