// The HTTP/2 stream below a call. gRPC offers neither who is at its other end, where that is a unix socket,
// nor a way to reset a stream: a status comes after the data that the reader does not take, so it cannot end
// a stalled call.

import type { ServerHttp2Session, ServerHttp2Stream } from "node:http2";
import { constants } from "node:http2";

import type { ServerWritableStream } from "@grpc/grpc-js";

/** Any call with a stream of responses. */
export type AnyCall = ServerWritableStream<unknown, Uint8Array>;

/** Identifies a caller: an address of the network, or a connection. */
export type Caller = string | object;

/**
 * Returns who calls: the address of the other end. What comes through `kubectl port-forward` comes from this
 * machine, so each connection from there is a caller of its own.
 */
export function callerOf(call: AnyCall): Caller {
  const session = streamOf(call)?.session as ServerHttp2Session | undefined;
  const address = session?.socket?.remoteAddress;
  if (address !== undefined && !/^(?:::1$|(?:::ffff:)?127\.)/.test(address)) return address;
  return session ?? call;
}

/** Ends a call at once, whatever its reader has not taken; gRPC's clients report RESOURCE_EXHAUSTED. */
export function resetStream(call: AnyCall): void {
  streamOf(call)?.close(constants.NGHTTP2_ENHANCE_YOUR_CALM);
}

// A member of grpc-js's own call (BaseServerInterceptingCall), which is no part of its types.
function streamOf(call: AnyCall): ServerHttp2Stream | undefined {
  return (call as unknown as { call?: { stream?: ServerHttp2Stream } }).call?.stream;
}
