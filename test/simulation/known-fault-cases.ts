// A small history for each known fault, found by shrinking.

import { calm, calmAgent, calmTalk } from "./calm-scenario.ts";
import type { KnownFaultName } from "./known-faults.ts";
import type { Scenario } from "./scenario.ts";

/** A history that shows the fault, by the fault's name. */
export const knownFaultCases: Readonly<Record<KnownFaultName, Scenario>> = {
  "direction-label": {
    ...calm,
    nodes: 2,
    intervalMs: 2000,
    knowsServices: false,
    agents: [
      { ...calmAgent, conntrack: "dump", counts: false, hears: false },
      { ...calmAgent, offsetMs: 208, counts: false, hears: false },
    ],
    talks: [calmTalk],
  },
  "without-cookies": {
    ...calm,
    nodes: 2,
    intervalMs: 2000,
    knowsServices: false,
    agents: [
      { ...calmAgent, conntrack: "none" },
      { ...calmAgent, conntrack: "dump", counts: false },
    ],
    incident: { kind: "keyframe", node: 0, pass: 1, passes: 1 },
    talks: [
      { ...calmTalk, client: 3, start: 267, lifeMs: 1500, closer: "server", repeats: 1, pauseMs: 1500 },
    ],
  },
  "time-wait-peer": {
    ...calm,
    talks: [
      {
        ...calmTalk,
        way: "hairpin",
        family: 6,
        start: 150,
        lifeMs: 300,
        closer: "server",
        repeats: 1,
        pauseMs: 1500,
      },
    ],
  },
  "flow-of-another": {
    ...calm,
    talks: [{ ...calmTalk, way: "host-to-service", start: 888, lifeMs: 300, closer: "reset", repeats: 2 }],
  },
  "lone-flow-early": {
    ...calm,
    nodes: 2,
    intervalMs: 2000,
    orderSeed: 598_677_754,
    agents: [{ ...calmAgent, conntrack: "none" }, calmAgent],
    talks: [
      { ...calmTalk, way: "node-port", family: 6, client: 3, lifeMs: 300, pauseMs: 1500, listens: false },
    ],
  },
  "shown-peer-stays": {
    ...calm,
    nodes: 3,
    podsPerNode: 2,
    intervalMs: 2000,
    agents: [
      { ...calmAgent, hears: false },
      { ...calmAgent, offsetMs: 1, old: true, conntrack: "dump" },
      { ...calmAgent, conntrack: "dump", counts: false },
    ],
    incident: { kind: "keyframe", node: 0, pass: 1, passes: 1 },
    talks: [
      {
        ...calmTalk,
        way: "pod-to-node-port",
        protocol: "udp",
        connects: false,
        server: 4,
        start: 334,
        lifeMs: 300,
        pauseMs: 12_000,
      },
    ],
  },
  "flow-forgotten": {
    ...calm,
    nodes: 3,
    podsBornMs: 2500,
    intervalMs: 5000,
    passes: 8,
    orderSeed: 29,
    agents: [{ ...calmAgent, offsetMs: 6, old: true }, calmAgent, calmAgent],
    incident: { kind: "lost", node: 0, pass: 1, passes: 1 },
    talks: [
      {
        ...calmTalk,
        way: "host-to-service",
        client: 3,
        server: 5,
        start: 668,
        lifeMs: 20,
        closer: "reset",
        acceptMs: 1500,
      },
      { ...calmTalk, family: 6, repeats: 2 },
    ],
  },
  "flow-gone-early": {
    ...calm,
    nodes: 2,
    podsBornMs: 6010,
    intervalMs: 5000,
    agents: [calmAgent, { ...calmAgent, conntrack: "none" }],
    talks: [
      { ...calmTalk, way: "service", client: 2, lifeMs: 20, closer: "reset", repeats: 1 },
      { ...calmTalk, lifeMs: 300, pauseMs: 12_000 },
    ],
  },
  "join-against-flow": {
    ...calm,
    podsPerNode: 2,
    talks: [
      {
        ...calmTalk,
        way: "service",
        lifeMs: 1500,
        closer: "server",
        port: 1,
        repeats: 1,
        pauseMs: 12_000,
        listens: false,
      },
      { ...calmTalk, lifeMs: 300, port: 1 },
    ],
  },
  "datagram-flow-older": {
    ...calm,
    podsBornMs: 6010,
    intervalMs: 2000,
    passes: 6,
    agents: [{ ...calmAgent, old: true, hears: false }],
    talks: [
      { ...calmTalk, way: "loopback", protocol: "udp", server: 3, lifeMs: 4000, repeats: 2, pauseMs: 12_000 },
      { ...calmTalk, protocol: "udp", connects: false, lifeMs: 12_000, lingerMs: 2500, pauseMs: 65_000 },
    ],
  },
  "datagram-server-late": {
    ...calm,
    nodes: 3,
    agents: [
      { ...calmAgent, conntrack: "dump", counts: false },
      { ...calmAgent, offsetMs: 977, old: true, counts: false },
      calmAgent,
    ],
    talks: [{ ...calmTalk, protocol: "udp", connects: false }],
  },
  "tuple-again": {
    ...calm,
    nodes: 2,
    intervalMs: 2000,
    orderSeed: 166_998_443,
    agents: [
      { ...calmAgent, offsetMs: 273 },
      { ...calmAgent, offsetMs: 373, conntrack: "dump" },
    ],
    talks: [{ ...calmTalk, start: 104, lifeMs: 4000, closer: "reset", repeats: 1, pauseMs: 50 }],
  },
  "id-again": {
    ...calm,
    intervalMs: 2000,
    passes: 6,
    agents: [{ ...calmAgent, offsetMs: 370, hears: false }],
    incident: { kind: "lost", node: 0, pass: 1, passes: 1 },
    talks: [
      {
        ...calmTalk,
        way: "loopback",
        protocol: "udp",
        server: 1,
        start: 218,
        lifeMs: 4000,
        repeats: 2,
        pauseMs: 50,
      },
    ],
  },
};
