// Runs the programs that a user would type: kubectl, helm, kubectl-whotalks.

import { spawn } from "node:child_process";

/** How a command ended. */
export interface Result {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Timeout of every command of the claims. */
const timeoutMs = 180_000;

/** Runs a program to its end; `input` is its stdin. Never rejects because of the exit status. */
export function run(program: string, args: readonly string[], input = ""): Promise<Result> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { stdio: ["pipe", "pipe", "pipe"], timeout: timeoutMs });
    const output = { stdout: "", stderr: "" };
    child.stdout.setEncoding("utf8").on("data", (text: string) => (output.stdout += text));
    child.stderr.setEncoding("utf8").on("data", (text: string) => (output.stderr += text));
    child.stdin.on("error", () => undefined); // It may end without reading.
    child.on("error", reject);
    child.on("close", (status) => resolve({ status, ...output }));
    child.stdin.end(input);
  });
}

/** Runs a program that must succeed; returns its stdout. */
export async function must(program: string, args: readonly string[], input = ""): Promise<string> {
  const { status, stdout, stderr } = await run(program, args, input);
  if (status === 0) return stdout;
  throw new Error(`${program} ${args.join(" ")} ended with ${status}: ${stderr.trim() || stdout.trim()}`);
}

/** Runs kubectl, which must succeed. */
export function kubectl(...args: readonly string[]): Promise<string> {
  return must("kubectl", args);
}

/** Runs `kubectl … -o json`. The caller chooses the object's type. */
export async function kubectlJson<T>(...args: readonly string[]): Promise<T> {
  return JSON.parse(await kubectl(...args, "-o", "json")) as T;
}

/** Applies objects. */
export function apply(objects: readonly unknown[]): Promise<string> {
  const list = { apiVersion: "v1", kind: "List", items: objects };
  return must("kubectl", ["apply", "-f", "-"], JSON.stringify(list));
}
