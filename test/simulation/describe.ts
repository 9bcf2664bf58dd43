// Formats a history and the findings about its answer, for debugging a failure.

import type { Conversation, Spot } from "./conversation.ts";
import type { Finding } from "./oracle.ts";
import type { Scenario } from "./scenario.ts";
import type { Simulation } from "./simulate.ts";

/** The scenario's parameters, its conversations and its findings, one line each. */
export function describeSimulation(
  scenario: Scenario,
  { history }: Simulation,
  findings: readonly Finding[],
): string {
  const { talks: _talks, agents, ...rest } = scenario;
  return [
    JSON.stringify(rest),
    ...agents.slice(0, scenario.nodes).map((traits, node) => `n${node} ${JSON.stringify(traits)}`),
    ...history.conversations.map(describeConversation),
    ...findings.flatMap(({ kind, missing, extra }) => [
      `${kind}:`,
      ...missing.map((line) => `  - ${line}`),
      ...extra.map((line) => `  + ${line}`),
    ]),
  ].join("\n");
}

function describeConversation(conversation: Conversation): string {
  const { number, talk, startMs, endMs, client, dialled, server, seenAs } = conversation;
  const places = [conversation.clientPlace, conversation.serverPlace];
  const way = places.map((each) => each?.node.name ?? "outside").join(" to ");
  const path = `${spotText(client)} > ${spotText(dialled)} = ${spotText(seenAs)} > ${spotText(server)}`;
  const end = endMs === Number.POSITIVE_INFINITY ? "open" : `${endMs} ms, ${talk.closer} closes`;
  return `#${number} ${talk.protocol} ${talk.way} ${way} ${path} ${startMs} to ${end}`;
}

function spotText({ address, port }: Spot): string {
  return `${address.text}:${port}`;
}
