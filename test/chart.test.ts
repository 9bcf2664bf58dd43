// Properties of the chart for all values: it renders for every supported shape, rejects impossible values with
// a sentence, grants agents no more than they need, and agrees with the programs about version and names.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { parse, parseAllDocuments } from "yaml";
import { chartImages } from "../scripts/chart-images.ts";

const chart = fileURLToPath(new URL("../charts/whotalks/", import.meta.url));
const shapes = readdirSync(`${chart}ci`).filter((file) => file.endsWith("-values.yaml"));
const noHelm = spawnSync("helm", ["version"]).status === 0 ? false : "no helm on the PATH";

const natsServer = spawnSync("sh", ["-c", "command -v nats-server"], { encoding: "utf8" }).stdout.trim();
const noNats = natsServer === "" ? "no nats-server on the PATH" : false;

/** The fields of a rendered object that the tests read. */
interface Rendered {
  readonly kind: string;
  readonly metadata: { readonly name: string; readonly namespace?: string };
  readonly data?: Readonly<Record<string, string>>;
  readonly rules?: readonly { readonly resources: readonly string[]; readonly verbs: readonly string[] }[];
  readonly spec?: { readonly template?: { readonly spec: PodSpec } };
}

interface PodSpec {
  readonly hostPID?: boolean;
  readonly affinity?: {
    readonly podAntiAffinity?: {
      readonly preferredDuringSchedulingIgnoredDuringExecution: readonly {
        readonly weight: number;
        readonly podAffinityTerm: {
          readonly labelSelector: { readonly matchLabels: Readonly<Record<string, string>> };
        };
      }[];
    };
  };
  readonly volumes?: readonly Readonly<Record<string, unknown>>[];
  readonly containers: readonly {
    readonly image: string;
    readonly resources?: { readonly requests?: Readonly<Record<string, string>> };
    readonly env?: readonly { readonly name: string; readonly value?: string }[];
    readonly securityContext: {
      readonly privileged?: boolean;
      readonly runAsUser?: number;
      readonly appArmorProfile?: { readonly type: string };
      readonly capabilities: { readonly drop: readonly string[]; readonly add?: readonly string[] };
    };
  }[];
}

function helm(...args: string[]): { status: number | null; stdout: string; stderr: string } {
  return spawnSync("helm", args, { encoding: "utf8" });
}

function render(...args: string[]): Rendered[] {
  const { status, stdout, stderr } = helm("template", "whotalks", chart, "-n", "whotalks", ...args);
  assert.equal(status, 0, stderr);
  return parseAllDocuments(stdout)
    .map((document) => document.toJS() as Rendered | null)
    .filter((object) => object !== null);
}

describe("every supported shape", { skip: noHelm }, () => {
  for (const shape of shapes) {
    test(shape, () => {
      const lint = helm("lint", "--strict", chart, "-f", `${chart}ci/${shape}`);
      assert.equal(lint.status, 0, lint.stdout + lint.stderr);
      const objects = render("-f", `${chart}ci/${shape}`);
      for (const object of objects) {
        assert.ok(object.metadata.name.length <= 63, `${object.kind} ${object.metadata.name} is too long`);
        for (const volume of object.spec?.template?.spec.volumes ?? []) {
          assert.equal(volume["hostPath"], undefined, "nothing of the nodes' files is mounted");
        }
        for (const rule of object.rules ?? []) {
          assert.deepEqual([...rule.verbs].toSorted(), ["list", "watch"]);
          assert.ok(!rule.resources.includes("secrets") && !rule.resources.includes("*"));
        }
      }
    });
  }
});

const impossible: readonly (readonly [name: string, values: string, sentence: RegExp])[] = [
  ["two NATS servers", "nats.replicas=2", /nats\/replicas/],
  ["no NATS at all", "nats.enabled=false", /say where NATS is/],
  ["two NATS at once", "nats.external.url=nats://x:4222", /nats\.enabled=false/],
  ["a value that is not there", "agent.intervall=1s", /intervall/],
  ["a stream larger than its volume", "nats.persistence.enabled=true,stream.maxBytes=20Gi", /full before/],
  [
    "a volume without room for what files take beside the stream",
    "nats.persistence.enabled=true,nats.persistence.size=1Gi",
    /too small for stream\.maxBytes/,
  ],
  ["a stream smaller than full reports", "stream.maxBytes=1Mi", /less than 32Mi/],
  [
    "a limit of storage below the stream's",
    "nats.resources.limits.ephemeral-storage=1Gi",
    /limits\.ephemeral-storage \(1Gi\) is too small/,
  ],
  [
    "a request of storage below the stream's",
    "nats.resources.requests.ephemeral-storage=500M",
    /requests\.ephemeral-storage \(500M\) is too small/,
  ],
  ["too little memory for NATS", "nats.resources.limits.memory=64Mi", /less than 128Mi/],
  ["closed connections kept longer than reports", "aggregator.closedKeep=7h", /longer than stream\.maxAge/],
  ["a stream without keyframes", "agent.keyframeInterval=31m,stream.maxAge=1h", /without a full report/],
  ["a volume to keep that is none", "nats.persistence.retain=true", /no volume/],
  ["rights for the default account", "serviceAccount.agent.create=false", /default ServiceAccount/],
];

describe("what cannot work is refused with a sentence", { skip: noHelm }, () => {
  for (const [name, values, sentence] of impossible) {
    test(name, () => {
      const { status, stderr } = helm("template", "w", chart, "--set", values);
      assert.notEqual(status, 0);
      assert.match(stderr, sentence);
    });
  }
});

describe("defaults", { skip: noHelm }, () => {
  const minimal = ["SYS_PTRACE", "DAC_READ_SEARCH"];
  const standard = [...minimal, "BPF", "PERFMON", "NET_ADMIN", "NET_BROADCAST"];
  const capabilities = { minimal, standard, full: [...standard, "SYS_ADMIN"] };
  for (const [privileges, add] of Object.entries(capabilities)) {
    test(`the agent's capabilities with ${privileges} privileges are these and no more`, () => {
      const agent = render("--set", `agent.privileges=${privileges}`).find(
        ({ kind }) => kind === "DaemonSet",
      );
      const context = agent?.spec?.template?.spec?.containers[0]?.securityContext;
      assert.deepEqual(context?.capabilities, { drop: ["ALL"], add });
    });
  }

  test("the agent is root with standard privileges, not privileged, without AppArmor's default profile", () => {
    const agent = render().find((object) => object.kind === "DaemonSet")?.spec?.template?.spec;
    const context = agent?.containers[0]?.securityContext;
    assert.deepEqual(context?.capabilities.add, standard);
    assert.deepEqual([context?.privileged, context?.runAsUser, agent?.hostPID], [false, 0, true]);
    assert.deepEqual(context?.appArmorProfile, { type: "Unconfined" });
  });

  test("before Kubernetes 1.30 AppArmor is set by annotation, since the field is not known there", () => {
    const agent = render("--kube-version", "1.28.0").find((object) => object.kind === "DaemonSet");
    assert.equal(agent?.spec?.template?.spec.containers[0]?.securityContext.appArmorProfile, undefined);
    assert.match(
      JSON.stringify(agent),
      /container\.apparmor\.security\.beta\.kubernetes\.io\/agent":"unconfined/,
    );
  });

  test("aggregator and NATS prefer different nodes, and so do their replicas", () => {
    for (const [kind, own, other] of [
      ["Deployment", "aggregator", "nats"],
      ["StatefulSet", "nats", "aggregator"],
    ] as const) {
      const pod = render().find((object) => object.kind === kind)?.spec?.template?.spec;
      const terms = pod?.affinity?.podAntiAffinity?.preferredDuringSchedulingIgnoredDuringExecution ?? [];
      const weights = terms.map(({ weight, podAffinityTerm }) => [
        podAffinityTerm.labelSelector.matchLabels["app.kubernetes.io/component"],
        weight,
      ]);
      assert.deepEqual(Object.fromEntries(weights), { [own]: 100, [other]: 50 });
    }
    const chosen = render("--set", "nats.affinity.nodeAffinity.x=y").find(
      ({ kind }) => kind === "StatefulSet",
    );
    assert.deepEqual(chosen?.spec?.template?.spec.affinity, { nodeAffinity: { x: "y" } });
  });

  test("the stream outlives its container, with room for what files take beside it", () => {
    const pod = render().find(({ kind }) => kind === "StatefulSet")?.spec?.template?.spec;
    const room = 1.25 * 2 ** 30 + 2 ** 26;
    const data = pod?.volumes?.find(({ name }) => name === "data");
    assert.deepEqual(data?.["emptyDir"], { sizeLimit: room });
    assert.equal(pod?.containers[0]?.resources?.requests?.["ephemeral-storage"], String(room));
    const { data: files } = render().find((object) => object.data?.["nats.conf"] !== undefined)!;
    assert.match(files?.["nats.conf"] ?? "", new RegExp(`max_file_store: ${room}\\b`));
  });

  test("NATS's monitoring port answers in its pod only", () => {
    const { data } = render().find((object) => object.data?.["nats.conf"] !== undefined)!;
    assert.match(data?.["nats.conf"] ?? "", /^http: "127\.0\.0\.1:8222"$/m);
    const statefulSet = render().find(({ kind }) => kind === "StatefulSet");
    assert.doesNotMatch(JSON.stringify(statefulSet), /8222|httpGet/);
  });

  test("the images are those that `npm run images` packs", async () => {
    const names = await chartImages();
    const images = render().flatMap((object) => object.spec?.template?.spec.containers ?? []);
    const found = [...new Set(images.map((container) => container.image))].toSorted();
    assert.deepEqual(found, [names.nats, names.whotalks].toSorted());
  });
});

describe("NATS takes its configuration", { skip: noHelm === false ? noNats : noHelm }, () => {
  for (const shape of shapes) {
    test(shape, (t) => {
      const config = render("-f", `${chart}ci/${shape}`).find(
        (object) => object.data?.["nats.conf"] !== undefined,
      );
      // With an external NATS there is none for the chart to configure.
      assert.equal(config === undefined, shape.startsWith("external-nats"));
      if (config === undefined) return;
      const file = path.join(mkdtempSync(path.join(tmpdir(), "nats-")), "nats.conf");
      t.after(() => rmSync(path.dirname(file), { recursive: true }));
      writeFileSync(file, config.data?.["nats.conf"] ?? "");
      const password = "w0123456789";
      const passwords = {
        AGENT_PASSWORD: password,
        AGGREGATOR_PASSWORD: password,
        CLUSTER_PASSWORD: password,
      };
      const route = (host: string): string => `"nats://cluster:${password}@${host}:6222"`;
      const routes = { ROUTE_0: route("a"), ROUTE_1: route("b"), ROUTE_2: route("c") };
      const env = { SERVER_NAME: "nats-0", ...routes, ...passwords };
      const { status, stderr } = spawnSync(natsServer, ["-t", "-c", file], { encoding: "utf8", env });
      assert.equal(status, 0, stderr);
      return undefined;
    });
  }
});

test("the chart has the programs' version", () => {
  const { appVersion, version } = parse(readFileSync(`${chart}Chart.yaml`, "utf8")) as Record<string, string>;
  const program = JSON.parse(readFileSync(new URL("../package.json", import.meta.url), "utf8")) as {
    version: string;
  };
  assert.deepEqual([appVersion, version], [program.version, program.version]);
});
