// The short name of an endpoint in tables, in kubectl's style. The caller escapes labels when printing them.

import type { Endpoint, Process } from "../../lib/gen/whotalks/v1/query.ts";

const shortKinds = new Map([
  ["Deployment", "deploy"],
  ["StatefulSet", "sts"],
  ["DaemonSet", "ds"],
  ["ReplicaSet", "rs"],
  ["CronJob", "cj"],
  ["Job", "job"],
  ["Pod", "pod"],
]);

/** Characters shown of a container id: enough to be unique on a node, and what `docker ps` shows. */
const CONTAINER_ID_LENGTH = 12;

/** Length of a command's name in the kernel (TASK_COMM_LEN without its terminator). */
const COMM_LENGTH = 15;

/** Characters shown of a pod's uid if its name is unknown. */
const POD_UID_LENGTH = 8;

/**
 * Returns the name of an endpoint: shop/web-1 (pod), shop/deploy/web (workload), nginx.service/nginx[12],
 * 1234567890ab/nginx[12] or nginx[12] (process), node/n1, shop/svc/db, an address (external), an address with
 * a question mark (unknown).
 */
export function endpointLabel(endpoint: Endpoint | undefined): string {
  if (endpoint === undefined) return "?";
  switch (endpoint.kind) {
    case "pod":
      return podLabel(endpoint);
    case "process":
      return processLabel(endpoint);
    case "node":
      return `node/${endpoint.node || endpoint.name || endpoint.ip || "?"}`;
    case "service":
      return namespaced(endpoint.namespace, `svc/${endpoint.name || endpoint.ip}`);
    case "external":
      return endpoint.name || endpoint.ip || "external";
    default:
      return `${endpoint.ip}?`;
  }
}

/** Returns the name of an endpoint, followed by its address and port if it has any. */
export function endpointLabelWithAddress(endpoint: Endpoint | undefined): string {
  if (endpoint === undefined || endpoint.ip === "") return endpointLabel(endpoint);
  const address = socketAddress(endpoint.ip, endpoint.port);
  const label = endpointLabel(endpoint);
  if (label === endpoint.ip) return address;
  return label === `${endpoint.ip}?` ? `${address}?` : `${label} ${address}`;
}

/** Formats an address and port (IPv6 in brackets); only the address if the port is 0. */
export function socketAddress(ip: string, port: number): string {
  if (port === 0) return ip;
  return ip.includes(":") ? `[${ip}]:${port}` : `${ip}:${port}`;
}

function podLabel(endpoint: Endpoint): string {
  if (endpoint.pod !== "") return namespaced(endpoint.namespace, endpoint.pod);
  const workload = endpoint.workload;
  if (workload === undefined || workload.name === "") {
    // A pod in a namespace that the user may not read shows only the namespace; without the API server, only
    // its uid is known.
    if (endpoint.namespace !== "") return `ns/${endpoint.namespace}`;
    return `pod/${endpoint.podUid.slice(0, POD_UID_LENGTH) || "?"}`;
  }
  const kind = shortKinds.get(workload.kind) ?? workload.kind.toLowerCase();
  return namespaced(endpoint.namespace, kind === "" ? workload.name : `${kind}/${workload.name}`);
}

function processLabel(endpoint: Endpoint): string {
  const process = endpoint.process;
  const name = process === undefined ? "" : processName(process);
  const pid = process !== undefined && process.pid !== 0 ? `[${process.pid}]` : "";
  const home = processHome(endpoint);
  if (name === "") return home === "" ? `${endpoint.ip || "process"}?` : home + pid;
  return home === "" || home === `${name}.service` ? (home || name) + pid : `${home}/${name}${pid}`;
}

// comm is cut at 15 characters, and Node.js and others rename it per thread: use the program's file name if it
// says more.
function processName(process: Process): string {
  const program = process.exe.replace(/ \(deleted\)$/, "").replace(/^.*\//, "");
  if (program === "" || program === process.name) return process.name;
  if (process.name.length === COMM_LENGTH && program.startsWith(process.name)) return program;
  return process.name === "" ? program : `${process.name} (${program})`;
}

// Scopes (login sessions) and user managers hold whatever a person runs: they say less than the name of the
// process.
function processHome(endpoint: Endpoint): string {
  if (endpoint.container !== "") {
    const isId = /^[0-9a-f]{64}$/.test(endpoint.container);
    return isId ? endpoint.container.slice(0, CONTAINER_ID_LENGTH) : endpoint.container;
  }
  return endpoint.unit.endsWith(".service") && !endpoint.unit.startsWith("user@") ? endpoint.unit : "";
}

function namespaced(namespace: string, name: string): string {
  return namespace === "" ? name : `${namespace}/${name}`;
}
