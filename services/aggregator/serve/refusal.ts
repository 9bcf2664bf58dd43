// The status of a call that is refused for want of room, with the time to ask again: as RetryInfo for
// people's programs (google.rpc.Status in grpc-status-details-bin), and as the pushback that gRPC's own
// retries obey (gRFC A6).

import { Metadata, status } from "@grpc/grpc-js";
import { BinaryWriter } from "@bufbuild/protobuf/wire";

const RETRY_INFO_TYPE = "type.googleapis.com/google.rpc.RetryInfo";

/** Thrown while an answer is made: there is no room for it. */
export class RefusedError extends Error {
  override readonly name = "RefusedError";
}

/** A status as gRPC sends it. */
export interface CallStatus {
  readonly code: status;
  readonly details: string;
  readonly metadata?: Metadata;
}

/** Returns RESOURCE_EXHAUSTED with a sentence and the time after which the caller may ask again. */
export function refusal(sentence: string, retryMs: number): CallStatus {
  const details = `${sentence}; ask again in ${retryMs / 1000} s`;
  const metadata = new Metadata();
  metadata.set("grpc-retry-pushback-ms", String(retryMs));
  metadata.set("grpc-status-details-bin", statusDetails(details, retryMs));
  return { code: status.RESOURCE_EXHAUSTED, details, metadata };
}

// https://github.com/googleapis/googleapis/blob/master/google/rpc/status.proto, error_details.proto: Status has code (1),
// message (2) and details (3, Any: type_url 1, value 2); RetryInfo has retry_delay (1, Duration: seconds 1, nanos 2).
function statusDetails(message: string, retryMs: number): Buffer {
  const seconds = Math.floor(retryMs / 1000);
  const delay = new BinaryWriter()
    .uint32(8)
    .int64(seconds)
    .uint32(16)
    .int32((retryMs % 1000) * 1e6);
  const retryInfo = new BinaryWriter().uint32(10).bytes(delay.finish());
  const any = new BinaryWriter().uint32(10).string(RETRY_INFO_TYPE).uint32(18).bytes(retryInfo.finish());
  const whole = new BinaryWriter().uint32(8).int32(status.RESOURCE_EXHAUSTED).uint32(18).string(message);
  return Buffer.from(whole.uint32(26).bytes(any.finish()).finish());
}
