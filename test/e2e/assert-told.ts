// Compares the product's answer with what both programs of each connection report.

import assert from "node:assert/strict";
import { type Connection, shown } from "./answer.ts";
import type { Front, Told, ToldEnd } from "./echo.ts";

/** The evidence that the answer may have. */
export interface Expected {
  readonly namespace: string;
  /** Whether conntrack is read: then every translated connection has its flow as evidence, else none has. */
  readonly flows: boolean;
}

/** The connections that dialled this front. */
export function through(told: readonly Told[], front: Front): Told[] {
  return told.filter(({ dialled, protocol }) => protocol === front.protocol && isAt(dialled, front));
}

/**
 * Asserts that each connection is in the answer exactly once, from the right client to the right server, with
 * the dialled Service and the client's address as the server saw it.
 */
export function assertTold(
  answer: readonly Connection[],
  told: readonly Told[],
  expected: Expected,
  serviceName?: string,
): void {
  assert.ok(told.length > 0, "no such connection is open yet");
  for (const each of told) {
    const found = foundFor(answer, each);
    const lines = `${toldLine(each)}\nis shown ${found.length} times:\n${linesAbout(answer, each)}`;
    assert.equal(found.length, 1, lines);
    const [only] = found as [Connection];
    assert.deepEqual(endOf(only.client), expectedEnd(each.client), lines);
    assert.deepEqual(endOf(only.server), expectedEnd(each.server), lines);
    assert.deepEqual(only.via, expectedVia(each, expected.namespace, serviceName), lines);
    const hidden = isAt(each.seen, each.client) ? undefined : { ip: each.seen.ip, port: each.seen.port };
    assert.deepEqual(only.snat, hidden, lines);
    if (each.protocol === "tcp") assert.equal(only.state, "ESTABLISHED", lines);
    assertEvidence(only, each, expected.flows, lines);
  }
}

/**
 * The same for datagrams of a client whose sockets are not seen: conversations with the same client, dialled
 * address and server are one connection with a count.
 */
export function assertFolded(answer: readonly Connection[], told: readonly Told[]): void {
  for (const each of told) {
    const alike = told.filter(
      ({ client, dialled, server }) =>
        client.ip === each.client.ip && isAt(dialled, each.dialled) && server.pod === each.server.pod,
    );
    const found = answer.filter(
      (one) =>
        one.protocol === each.protocol &&
        one.closed !== true &&
        one.client.ip === each.client.ip &&
        one.server.pod === each.server.pod &&
        isAt(one.via ?? one.server, each.dialled),
    );
    const lines = `${toldLine(each)}\nis one of ${alike.length}, shown are\n${found.map(shown).join("\n")}`;
    assert.equal(countOf(found), alike.length, lines);
    const sources = alike.map(({ seen }) => ({ ip: seen.ip, port: seen.port }));
    for (const one of found) {
      const source = one.snat ?? { ip: one.client.ip, port: one.client.port };
      assert.ok(
        sources.some((ip) => ip.ip === source.ip && ip.port === source.port),
        lines,
      );
      assert.ok(one.evidence?.includes("flow"), lines);
    }
  }
}

/** The total number of conversations. */
export function countOf(answer: readonly Connection[]): number {
  return answer.reduce((sum, { count }) => sum + (count ?? 1), 0);
}

/** The open connections in the answer with this connection's client and dialled address. */
export function foundFor(answer: readonly Connection[], { protocol, client, dialled }: Told): Connection[] {
  return answer.filter(
    (one) =>
      one.protocol === protocol &&
      one.closed !== true &&
      isAt(one.client, client) &&
      isAt(one.via ?? one.server, dialled),
  );
}

function assertEvidence(only: Connection, each: Told, flows: boolean, lines: string): void {
  const evidence = only.evidence ?? [];
  const translated = only.via !== undefined || only.snat !== undefined;
  if (each.client.pod !== undefined) assert.ok(evidence.includes("client-socket"), lines);
  if (each.server.pod !== undefined) assert.ok(evidence.includes("server-socket"), lines);
  if (translated && flows) assert.ok(evidence.includes("flow"), lines);
  if (!flows) assert.ok(!evidence.includes("flow"), lines);
}

function expectedVia({ dialled, server }: Told, namespace: string, name?: string): object | undefined {
  if (name === undefined) return undefined;
  assert.ok(!isAt(dialled, server), "a Service's address is not its pod's");
  return { ip: dialled.ip, port: dialled.port, service: { namespace, name } };
}

/** The address is absent if the server's own datagram socket does not know it. */
function expectedEnd({ pod, ip, port }: ToldEnd): object {
  return { kind: pod === undefined ? "external" : "pod", pod, port, ...(pod === undefined ? { ip } : {}) };
}

function endOf({ kind, pod, ip, port }: Connection["client"]): object {
  return { kind, pod, port, ...(pod === undefined ? { ip } : {}) };
}

function isAt(a: { readonly ip?: string; readonly port?: number }, b: ToldEnd | Front): boolean {
  return a.ip === b.ip && a.port === b.port;
}

function toldLine({ protocol, client, dialled, server, seen }: Told): string {
  const to = `${dialled.ip} ${dialled.port} = ${server.pod ?? server.ip} ${server.port}`;
  return `${client.pod ?? "outside"} ${client.ip} ${client.port} -> ${to} ${protocol}, seen as ${seen.ip} ${seen.port}`;
}

/** The connections in the answer with any of its addresses and ports. */
function linesAbout(answer: readonly Connection[], { client, seen }: Told): string {
  const about = answer.filter(
    (one) =>
      one.client.port === client.port || one.client.port === seen.port || one.server.port === client.port,
  );
  return about.map(shown).join("\n");
}
