// An unread call over its own connection. It is plain HTTP/2, since grpc-js's client reads the messages of a
// stream from HTTP/2 until the caller reads the first of them.

import type { ClientHttp2Session, ClientHttp2Stream } from "node:http2";
import { connect, constants } from "node:http2";

import { QueryServiceService } from "../../../lib/gen/whotalks/v1/query_service.ts";

/** The streams that may be left unread. */
export type UnreadMethod = "listConnections" | "listEdges" | "listListeners" | "watch";

/** A call whose reader does not read. */
export class UnreadCall {
  readonly #session: ClientHttp2Session;
  readonly #stream: ClientHttp2Stream;
  /** Resolves with how the call ended: "reset CODE", "status CODE", or "closed". */
  readonly ended: Promise<string>;

  constructor(address: string, method: UnreadMethod) {
    const { path, requestSerialize } = QueryServiceService[method];
    const request = { filter: undefined, limit: 0, initial: true };
    const message = (requestSerialize as (value: typeof request) => Buffer)(request);
    this.#session = connect(`http://${address}`);
    this.#session.on("error", () => undefined);
    this.#stream = this.#session.request({
      [constants.HTTP2_HEADER_METHOD]: "POST",
      [constants.HTTP2_HEADER_PATH]: path,
      [constants.HTTP2_HEADER_CONTENT_TYPE]: "application/grpc",
      [constants.HTTP2_HEADER_TE]: "trailers",
    });
    this.#stream.on("error", () => undefined);
    this.ended = new Promise((resolve) => {
      this.#stream.on("response", (headers) => {
        if (headers["grpc-status"] !== undefined) resolve(`status ${headers["grpc-status"] as string}`);
      });
      this.#stream.on("close", () => {
        resolve(this.#stream.rstCode === 0 ? "closed" : `reset ${this.#stream.rstCode}`);
      });
    });
    void this.ended.then(() => this.close());
    const frame = Buffer.alloc(5 + message.length);
    frame.writeUInt32BE(message.length, 1);
    message.copy(frame, 5);
    this.#stream.end(frame);
  }

  close(): void {
    this.#session.destroy();
  }
}
