// Flows of real translations: two namespaces, one of which dials an address that the other's kernel translates.

import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { describe, it } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";

import {
  Account,
  ConntrackNamespace,
  conntrackObstacle,
  flowSourceOf,
  taken,
  textsOfLines,
} from "./flows-for-tests.ts";

const DEADLINE_MS = 20_000;

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

const echo = (family: 4 | 6): string =>
  `require("net").createServer((s) => s.pipe(s)).listen(8080, ${family === 4 ? '"0.0.0.0"' : '"::"'}, () => console.log("up"))`;
const dial = (address: string): string =>
  `require("net").connect({ host: "${address}", port: 80, localPort: 41000 }).on("connect", () => console.log("up"))`;

function withoutState(text: string): string {
  return text.replace(/^tcp 6 \w+/, "tcp 6");
}

async function start(namespace: ConntrackNamespace, script: string): Promise<Disposable> {
  const child = spawn("ip", ["netns", "exec", namespace.name, process.execPath, "-e", script], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const timer = setTimeout(() => child.kill("SIGKILL"), DEADLINE_MS);
  for await (const chunk of child.stdout) if (String(chunk).includes("up")) break;
  clearTimeout(timer);
  return { [Symbol.dispose]: () => void child.kill("SIGKILL") };
}

function connect(a: ConntrackNamespace, b: ConntrackNamespace): void {
  const veth = ["type", "veth", "peer", "name", "eth0", "netns", b.name];
  execFileSync("ip", ["link", "add", "eth0", "netns", a.name, ...veth]);
  for (const [host, namespace] of [a, b].entries()) {
    namespace.run("ip", "address", "add", `10.78.0.${host + 1}/24`, "dev", "eth0");
    namespace.run("ip", "address", "add", `fd78::${host + 1}/64`, "dev", "eth0", "nodad");
    namespace.run("ip", "link", "set", "eth0", "up");
  }
}

const cases = [
  {
    family: 4,
    tool: "iptables",
    service: "10.96.0.9",
    backend: "10.78.0.2:8080",
    server: "10.78.0.2",
    client: "10.78.0.1",
  },
  {
    family: 6,
    tool: "ip6tables",
    service: "fd96::9",
    backend: "[fd78::2]:8080",
    server: "fd78::2",
    client: "fd78::1",
  },
] as const;

describe("flows that are translated", { skip: obstacle() ?? false }, () => {
  for (const { family, tool, service, backend, server, client } of cases) {
    it(`tell both tuples over IPv${family}, source and destination translated together`, async () => {
      using one = await new ConntrackNamespace().ready();
      using two = await new ConntrackNamespace().ready();
      connect(one, two);
      one.run("ip", `-${family}`, "route", "add", service, "dev", "eth0");
      const toService = ["-d", service, "-p", "tcp", "--dport", "80"];
      one.run(tool, "-t", "nat", "-A", "OUTPUT", ...toService, "-j", "DNAT", "--to-destination", backend);
      const masquerade = ["-p", "tcp", "-d", server, "-j", "MASQUERADE", "--to-ports", "50000-50010"];
      one.run(tool, "-t", "nat", "-A", "POSTROUTING", ...masquerade);
      two.run(tool, "-A", "INPUT", "-m", "conntrack", "--ctstate", "INVALID", "-j", "DROP");
      const near = flowSourceOf(one.pid, "auto");
      const far = flowSourceOf(two.pid, "auto");
      for (const source of [near, far]) await source.refresh();
      using _server = await start(two, echo(family));
      using _client = await start(one, dial(service));
      for (const begun = performance.now(); near.size === 0 || far.size === 0; await sleep(5))
        if (performance.now() - begun > DEADLINE_MS) assert.fail("no flow came");
      const told = new Account(true);
      told.apply(taken(near));
      const flow = told.texts().find((text) => text.startsWith("tcp"));
      const tuples = new RegExp(
        `${client}/41000 > ${service}/80, ${server}/8080 > ${client}/(500[01]\\d) `.replaceAll(".", "\\."),
      ).exec(flow!);
      assert.ok(tuples, flow);
      // What the server's node sees is the second half of it.
      const seen = new Account(true);
      seen.apply(taken(far));
      assert.ok(
        seen.texts().some((text) => text.includes(`${client}/${tuples[1]} > ${server}/8080, `)),
        seen.texts().join("\n"),
      );
      const listed = textsOfLines(
        one.run("conntrack", "-L", "-f", `ipv${family}`, "-o", "extended,id"),
        true,
      );
      assert.ok(listed.map(withoutState).includes(withoutState(flow!)));
      near.close();
      far.close();
    });
  }
});
