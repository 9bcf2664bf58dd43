import assert from "node:assert/strict";
import { describe, it } from "node:test";

import { DirectionBy, directionWord } from "../../../lib/vocabulary/direction.ts";
import { decideDirection } from "./direction.ts";
import type { ConnectionFacts } from "./facts.ts";
import { emptyFacts } from "./facts.ts";

// A client on an ephemeral port and a server on a low one; both ends were read, nothing else is known.
function factsOf(change: (facts: ConnectionFacts) => void): ConnectionFacts {
  const facts = emptyFacts();
  facts.undirected = true;
  facts.isTcp = true;
  Object.assign(facts.client, { port: 40_000, seen: true });
  Object.assign(facts.server, { port: 80, seen: true });
  change(facts);
  return facts;
}

function withFlow(facts: ConnectionFacts, flow: Partial<ConnectionFacts["flow"]>): void {
  facts.hasFlow = true;
  Object.assign(facts.flow, flow);
}

// The answer in words: "handshake final", "listener swapped".
function answer(facts: ConnectionFacts): string | null {
  const direction = decideDirection(facts);
  if (direction === null) return null;
  const { by, swapped, final } = direction;
  return [directionWord(by), ...(swapped ? ["swapped"] : []), ...(final ? ["final"] : [])].join(" ");
}

const cases: ReadonlyArray<
  readonly [name: string, change: (facts: ConnectionFacts) => void, expected: string | null]
> = [
  ["ports alone", () => undefined, "port"],
  [
    "ports the other way round",
    ({ client, server }) => void ([client.port, server.port] = [80, 40_000]),
    "port swapped",
  ],
  ["the client was seen in SYN_SENT", ({ client }) => void (client.opening = true), "handshake final"],
  [
    "the server was seen in SYN_SENT",
    ({ server }) => void (server.opening = true),
    "handshake swapped final",
  ],
  ["the server was seen in SYN_RECV", ({ server }) => void (server.accepting = true), "handshake final"],
  [
    "the client was seen in SYN_RECV",
    ({ client }) => void (client.accepting = true),
    "handshake swapped final",
  ],
  [
    "both ends were seen in SYN_SENT (simultaneous open): ports decide",
    ({ client, server }) => void (client.opening = server.opening = true),
    "port",
  ],
  [
    "a handshake against a listener",
    ({ client }) => void ((client.listens = true), (client.opening = true)),
    "handshake final",
  ],
  [
    "a handshake against an untranslated flow",
    (facts) => {
      facts.client.opening = true;
      withFlow(facts, { agrees: false });
    },
    "handshake final",
  ],
  [
    "a handshake after an untranslated flow had decided",
    (facts) => {
      facts.server.opening = true;
      facts.directionBy = DirectionBy.flow;
      withFlow(facts, { agrees: true });
    },
    "handshake swapped final",
  ],
  [
    "a translated flow against a handshake",
    (facts) => {
      facts.client.opening = true;
      withFlow(facts, { translated: true, agrees: false });
    },
    "flow swapped final",
  ],
  ["the server's port has a listener", ({ server }) => void (server.listens = true), "listener"],
  ["the client's port has a listener", ({ client }) => void (client.listens = true), "listener swapped"],
  ["an untranslated flow that ports confirm", (facts) => withFlow(facts, { agrees: true }), "flow"],
  ["an untranslated flow against ports", (facts) => withFlow(facts, { agrees: false }), "port"],
  [
    "a listener that is gone is better than ports now",
    (facts) => void (facts.directionBy = DirectionBy.listener),
    null,
  ],
  ["what is decided", (facts) => void (facts.undirected = false), null],
  [
    "a unix socket with a path",
    (facts) => void ((facts.isUnix = true), (facts.client.listens = true)),
    "listener swapped",
  ],
];

describe("decideDirection", () => {
  for (const [name, change, expected] of cases) {
    it(name, () => assert.equal(answer(factsOf(change)), expected));
  }
});

describe("DirectionBy", () => {
  it("has a word for each number", () => {
    for (const [word, number] of Object.entries(DirectionBy)) assert.equal(directionWord(number), word);
  });
});
