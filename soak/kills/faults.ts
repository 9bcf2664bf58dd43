// The faults that the soak makes: pods deleted, processes killed or stopped, the release upgraded and rolled
// back.

import { setTimeout as delay } from "node:timers/promises";

import { eventually } from "../../lib/testing/eventually.ts";
import { kubectl, must } from "../../test/e2e/command.ts";
import { environment } from "../../test/e2e/environment.ts";
import { nodeNames, tryOnNode } from "../../test/e2e/node.ts";
import { allReady, podsOf, upgrade } from "../../test/e2e/release.ts";

type Component = Parameters<typeof podsOf>[0];

/** One kind of fault. */
export interface Fault {
  readonly name: string;
  /** Whether it needs E2E_NODE, a command that runs something on a node. */
  readonly onNodes: boolean;
  /** Whether it is part of the short form. */
  readonly isShort?: boolean;
  /** Makes it happen; the load runs meanwhile. */
  happen(): Promise<void>;
}

/**
 * Patterns for the command lines of each component's process, and the API server's. None matches the command
 * that seeks it.
 */
const commandLines: Readonly<Record<Component | "apiserver", string>> = {
  agent: "[/]app/agent/",
  aggregator: "[/]app/aggregator/",
  nats: "[n]ats-server .*nats.conf",
  apiserver: "[k]ube-apiserver",
};

/** Milliseconds after which an aggregator that was killed is killed again, while it replays. */
const WHILE_REPLAYING_MS = 1500;
/** Milliseconds within which the kubelet starts a container again that has ended several times. */
const BACK_OFF_MS = 180_000;

/** Every fault, in the order in which they are made. */
export const faults: readonly Fault[] = [
  deleted("agent", true),
  killed("agent"),
  stopped("agent", 20),
  stopped("agent", 90),
  deleted("aggregator", true),
  killed("aggregator"),
  {
    name: "aggregator killed while replaying",
    onNodes: true,
    happen: async () => {
      await signal("KILL", "aggregator");
      await eventually(BACK_OFF_MS, async () => {
        await delay(WHILE_REPLAYING_MS);
        await signal("KILL", "aggregator");
      });
    },
  },
  stopped("aggregator", 60),
  deleted("nats", true),
  killed("nats"),
  stopped("nats", 60),
  {
    name: "NATS and aggregator deleted together",
    onNodes: false,
    happen: () => deletePods("nats", "aggregator"),
  },
  stopped("apiserver", 60),
  { name: "helm upgrade", onNodes: false, happen: restartAll },
  {
    name: "helm rollback",
    onNodes: false,
    happen: async () => {
      await must("helm", ["rollback", environment.release, "-n", environment.namespace, "--wait"]);
    },
  },
];

function deleted(component: Component, isShort = false): Fault {
  return { name: `${component} deleted`, onNodes: false, isShort, happen: () => deletePods(component) };
}

function killed(component: Component): Fault {
  return { name: `${component} killed`, onNodes: true, happen: () => signal("KILL", component) };
}

function stopped(component: keyof typeof commandLines, seconds: number): Fault {
  return {
    name: `${component} stopped ${seconds} s`,
    onNodes: true,
    happen: async () => {
      // The API server does not say which nodes there are while it is stopped.
      const nodes = await nodeNames();
      try {
        await signal("STOP", component, nodes);
        await delay(seconds * 1000);
      } finally {
        await signal("CONT", component, nodes);
      }
    },
  };
}

async function deletePods(...components: readonly Component[]): Promise<void> {
  const pods = (await Promise.all(components.map((component) => podsOf(component)))).flat();
  const names = pods.map(({ name }) => name);
  await kubectl("delete", "pod", "-n", environment.namespace, "--grace-period=1", "--wait=true", ...names);
}

// Upgrades with a value that makes every agent and aggregator a new one, as another version does.
async function restartAll(): Promise<void> {
  const annotation = `podAnnotations.soak=${Date.now()}`;
  const values = ["agent", "aggregator"].flatMap((part) => ["--set-string", `${part}.${annotation}`]);
  await upgrade(...values, "--set", "agent.updateStrategy.rollingUpdate.maxUnavailable=100%");
  await allReady();
}

// Sends a signal to the processes of a component, on whichever node they are.
async function signal(
  name: "KILL" | "STOP" | "CONT",
  component: keyof typeof commandLines,
  nodes?: readonly string[],
): Promise<void> {
  const pattern = commandLines[component];
  let reached = 0;
  for (const node of nodes ?? (await nodeNames())) {
    const { status } = await tryOnNode(node, "pkill", `-${name}`, "-f", pattern);
    if (status === 0) reached++;
  }
  if (reached > 0) return;
  if (component !== "apiserver") throw new Error(`no process of ${component} was found on any node`);
  // A control plane that is no node runs where the cluster was made.
  await must("pkill", [`-${name}`, "-f", pattern]);
}
