// Access to the cluster's nodes, if E2E_NODE has a command that runs something on them.

import type { TestContext } from "node:test";
import { kubectlJson, must, type Result, run } from "./command.ts";
import { environment } from "./environment.ts";

/** Whether there is such a command; if not, skips the claim with the reason. */
export function hasNodeCommand(t: TestContext): boolean {
  if (environment.node !== "") return true;
  t.skip("E2E_NODE names no command that runs things on a node");
  return false;
}

/** Names of all nodes of the cluster. */
export async function nodeNames(): Promise<string[]> {
  const { items } = await kubectlJson<NodeList>("get", "nodes");
  return items.map(({ metadata }) => metadata.name);
}

interface NodeList {
  readonly items: readonly { readonly metadata: { readonly name: string } }[];
}

/** Runs a command on a node that must succeed; returns its stdout. */
export function onNode(node: string, ...command: readonly string[]): Promise<string> {
  const [program, args] = words(node, command);
  return must(program, args);
}

/** Runs a command on a node; it may fail. */
export function tryOnNode(node: string, ...command: readonly string[]): Promise<Result> {
  const [program, args] = words(node, command);
  return run(program, args);
}

function words(node: string, command: readonly string[]): [program: string, args: string[]] {
  const [program = "", ...first] = environment.node.split(/\s+/);
  return [program, [...first, node, ...command]];
}
