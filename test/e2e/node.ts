// The cluster's nodes themselves, where E2E_NODE gives a way to run something on them.

import type { TestContext } from "node:test";
import { must, type Result, run } from "./command.ts";
import { environment } from "./environment.ts";

/** Whether there is a way; if not, the claim is skipped with the reason. */
export function hasNodeCommand(t: TestContext): boolean {
  if (environment.node !== "") return true;
  t.skip("E2E_NODE names no command that runs things on a node");
  return false;
}

/** Runs a command on a node that must succeed; gives its stdout. */
export function onNode(node: string, ...command: readonly string[]): Promise<string> {
  const [program, args] = words(node, command);
  return must(program, args);
}

/** Runs a command on a node, however it ends. */
export function tryOnNode(node: string, ...command: readonly string[]): Promise<Result> {
  const [program, args] = words(node, command);
  return run(program, args);
}

function words(node: string, command: readonly string[]): [program: string, args: string[]] {
  const [program = "", ...first] = environment.node.split(/\s+/);
  return [program, [...first, node, ...command]];
}
