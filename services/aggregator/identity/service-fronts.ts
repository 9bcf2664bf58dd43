// Caches which Service has an address and port: matching asks for every one-sided end.

import { Protocol, protocolWord } from "../../../lib/vocabulary/protocols.ts";
import type { AddressTable } from "../model/addresses/address-table.ts";
import type { Identity, ServiceFront } from "./identity.ts";

/** Answers cached at most; a full cache is cleared, as is one from before identity changed. */
const FRONTS_MAX = 2 ** 16;

/** A dialled address and port. */
export interface DialledPlace {
  /** Id of the address. */
  readonly address: number;
  readonly port: number;
  readonly protocol: number;
  /** When, in milliseconds since 1970 by the stream's clock. */
  readonly timeMs: number;
}

/** Services by the addresses and ports that clients dial. */
export class ServiceFronts {
  readonly #identity: Identity;
  readonly #addresses: Pick<AddressTable, "text" | "isIpv4" | "words">;
  // Keyed by a number for IPv4, which needs no string. Protocols without ports have no Services.
  readonly #known = new Map<number | string, ServiceFront | null>();
  #version = -1;

  constructor(identity: Identity, addresses: Pick<AddressTable, "text" | "isIpv4" | "words">) {
    this.#identity = identity;
    this.#addresses = addresses;
  }

  /** The Service with this address and port as a front; null if there is none. */
  at({ address, port, protocol, timeMs }: DialledPlace): ServiceFront | null {
    const identity = this.#identity;
    const addresses = this.#addresses;
    if (this.#version !== identity.version || this.#known.size >= FRONTS_MAX) {
      this.#known.clear();
      this.#version = identity.version;
    }
    const key = addresses.isIpv4(address)
      ? (addresses.words[address * 4 + 3]! * 2 ** 16 + port) * 2 + (protocol === Protocol.tcp ? 1 : 0)
      : `${addresses.text(address)} ${port} ${protocol}`;
    let front = this.#known.get(key);
    if (front === undefined) {
      front = identity.serviceFront(addresses.text(address), port, protocolWord(protocol), timeMs) ?? null;
      this.#known.set(key, front);
    }
    return front;
  }
}
