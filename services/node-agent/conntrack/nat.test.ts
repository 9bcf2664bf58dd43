// Flows of real translations: a pod behind a node, whose kernel translates connections of the node and the
// pod.

import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { after, before, describe, it } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";

import type { FlowSource } from "./flow-source.ts";
import {
  Account,
  ConntrackNamespace,
  conntrackObstacle,
  flowSourceOf,
  taken,
  textsOfLines,
} from "./testing/flows.ts";

const DEADLINE_MS = 120_000;

function obstacle(): string | null {
  const missing = conntrackObstacle();
  if (missing !== null) return missing;
  try {
    for (const tool of ["iptables", "ip6tables"])
      execFileSync(tool, ["-t", "nat", "-L"], { stdio: "ignore" });
    return null;
  } catch {
    return "needs iptables and ip6tables with NAT";
  }
}

// Accepts over IPv4 and IPv6 on the port that the Services translate to.
const SERVER = `require("net").createServer((s) => s.pipe(s)).listen(8080, "::", () => console.log("up"))`;

const cases = [
  {
    family: 4,
    tool: "iptables",
    service: "10.96.0.9",
    backend: "10.78.0.2:8080",
    pod: "10.78.0.2",
    node: "10.78.0.1",
  },
  {
    family: 6,
    tool: "ip6tables",
    service: "fd96::9",
    backend: "[fd78::2]:8080",
    pod: "fd78::2",
    node: "fd78::1",
  },
] as const;

function withoutState(text: string): string {
  return text.replace(/^tcp 6 \w+/, "tcp 6");
}

// Starts a program and waits until it prints "up"; it ends with its standard input or the test.
async function start(namespace: ConntrackNamespace, ...words: string[]): Promise<Disposable> {
  const child = spawn("ip", ["netns", "exec", namespace.name, ...words], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  const timer = setTimeout(() => child.kill("SIGKILL"), DEADLINE_MS);
  for await (const chunk of child.stdout) if (String(chunk).includes("up")) break;
  clearTimeout(timer);
  return { [Symbol.dispose]: () => void child.kill("SIGKILL") };
}

function dial(namespace: ConntrackNamespace, address: string): Promise<Disposable> {
  return start(namespace, "bash", "-c", `exec 3<>/dev/tcp/${address}/80; echo up; read -r line`);
}

// Returns the match of the first TCP flow of a source whose text matches the pattern.
async function flowOf(source: FlowSource, pattern: string): Promise<RegExpExecArray> {
  const account = new Account(true);
  const expression = new RegExp(
    `^tcp .*${pattern.replaceAll(".", "\\.").replaceAll("PORT", String.raw`(\d+)`)} .*$`,
  );
  for (const begun = performance.now(); ; await sleep(20)) {
    account.apply(taken(source));
    const found = account
      .texts()
      .map((text) => expression.exec(text))
      .find((each) => each !== null);
    if (found) return found;
    if (performance.now() - begun > DEADLINE_MS)
      assert.fail(`${pattern} is not in\n${account.texts().join("\n")}`);
  }
}

describe("flows that are translated", { skip: obstacle() ?? false }, () => {
  let node: ConntrackNamespace;
  let pod: ConntrackNamespace;
  let server: Disposable;

  before(async () => {
    node = await new ConntrackNamespace().ready();
    pod = await new ConntrackNamespace().ready();
    execFileSync("ip", [
      "link",
      "add",
      "eth0",
      "netns",
      node.name,
      "type",
      "veth",
      "peer",
      "name",
      "eth0",
      "netns",
      pod.name,
    ]);
    for (const [host, namespace] of [node, pod].entries()) {
      namespace.run("ip", "address", "add", `10.78.0.${host + 1}/24`, "dev", "eth0");
      namespace.run("ip", "address", "add", `fd78::${host + 1}/64`, "dev", "eth0", "nodad");
      namespace.run("ip", "link", "set", "eth0", "up");
    }
    node.run("sysctl", "-qw", "net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1");
    for (const { family, tool, service, backend, node: gateway } of cases) {
      node.run("ip", `-${family}`, "route", "add", service, "dev", "eth0");
      pod.run("ip", `-${family}`, "route", "add", service, "via", gateway);
      const toService = ["-d", service, "-p", "tcp", "--dport", "80"];
      for (const chain of ["OUTPUT", "PREROUTING"])
        node.run(tool, "-t", "nat", "-A", chain, ...toService, "-j", "DNAT", "--to-destination", backend);
      // As kube-proxy masquerades connections of its own node, and those of a pod to itself.
      node.run(
        tool,
        "-t",
        "nat",
        "-A",
        "POSTROUTING",
        "-p",
        "tcp",
        "--dport",
        "8080",
        "-j",
        "MASQUERADE",
        "--to-ports",
        "50000-50010",
      );
      pod.run(tool, "-A", "INPUT", "-m", "conntrack", "--ctstate", "INVALID", "-j", "DROP");
    }
    server = await start(pod, process.execPath, "-e", SERVER);
  });

  after(() => {
    server?.[Symbol.dispose]();
    for (const namespace of [node, pod]) namespace?.[Symbol.dispose]();
  });

  for (const { family, service, pod: backend, node: client } of cases) {
    it(`show both tuples over IPv${family}, source and destination translated together`, async () => {
      const [near, far] = [flowSourceOf(node.pid, "auto"), flowSourceOf(pod.pid, "auto")];
      for (const source of [near, far]) await source.refresh();
      using _client = await dial(node, service);
      const [flow, , port] = await flowOf(
        near,
        `${client}/PORT > ${service}/80, ${backend}/8080 > ${client}/PORT`,
      );
      assert.match(port!, /^500(0\d|10)$/);
      // The server's node sees the second half of the translation.
      await flowOf(far, `${client}/${port} > ${backend}/8080,`);
      const listed = textsOfLines(
        node.run("conntrack", "-L", "-f", `ipv${family}`, "-o", "extended,id"),
        true,
      );
      assert.ok(listed.map(withoutState).includes(withoutState(flow)), listed.join("\n"));
      for (const source of [near, far]) source.close();
    });

    it(`show a pod that reaches itself through its Service over IPv${family}`, async () => {
      const source = flowSourceOf(node.pid, "auto");
      await source.refresh();
      using _client = await dial(pod, service);
      await flowOf(source, `${backend}/PORT > ${service}/80, ${backend}/8080 > ${client}/PORT`);
      source.close();
    });
  }
});
