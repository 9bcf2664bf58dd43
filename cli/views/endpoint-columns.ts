// Endpoint columns that the views of connections, edges and listeners share.

import type { Endpoint, Via } from "../../lib/gen/whotalks/v1/query.ts";
import { socketAddress } from "./endpoint-label.ts";
import type { Column } from "./view.ts";

/** Pids that one cell lists; further ones are counted. */
const PIDS_MAX = 4;

/** The pids of all holders of the endpoint's socket, separated by commas. */
export function pids(endpoint: Endpoint | undefined): string {
  if (endpoint === undefined) return "";
  const all = [...new Set(endpoint.holders.map((holder) => holder.pid))];
  if (all.length === 0 && endpoint.process !== undefined && endpoint.process.pid !== 0)
    all.push(endpoint.process.pid);
  const shown = all.slice(0, PIDS_MAX).join(",");
  return all.length > PIDS_MAX ? `${shown},+${all.length - PIDS_MAX}` : shown;
}

/** The inode of the endpoint's socket. */
export function inode(endpoint: Endpoint | undefined): string {
  return endpoint === undefined || endpoint.inode === 0 ? "" : String(endpoint.inode);
}

/** The endpoint's address and port. */
export function address(endpoint: Endpoint | undefined): string {
  return endpoint === undefined || endpoint.ip === "" ? "" : socketAddress(endpoint.ip, endpoint.port);
}

/** Bytes not yet read and bytes not yet acknowledged, side by side as in ss. */
export function queues(
  end: { recvQueue?: number | undefined; sendQueue?: number | undefined } | undefined,
): string {
  if (end === undefined || (end.recvQueue === undefined && end.sendQueue === undefined)) return "";
  return `${end.recvQueue ?? "-"}/${end.sendQueue ?? "-"}`;
}

// As kubectl shows them.
function labels(endpoint: Endpoint | undefined): string {
  return Object.entries(endpoint?.labels ?? {})
    .map(([name, value]) => `${name}=${value}`)
    .toSorted()
    .join(",");
}

/** A column with the labels of an endpoint's pod. */
export function labelColumn<Item>(
  key: string,
  header: string,
  endpointOf: (item: Item) => Endpoint | undefined,
): Column<Item> {
  return {
    key,
    header,
    cell: (item) => labels(endpointOf(item)),
    rank: (item) => labels(endpointOf(item)),
  };
}

/** The running timer of the endpoint's socket. */
export function timer(endpoint: Endpoint | undefined): string {
  if (endpoint?.timer === undefined || endpoint.timer.kind === "") return "";
  return `${endpoint.timer.kind} ${(endpoint.timer.expiresMs / 1000).toFixed(1)}s`;
}

/** The address that the client dialled. */
export function viaLabel(via: Via | undefined): string {
  if (via === undefined) return "";
  const service = via.service;
  if (service === undefined || service.name === "") return socketAddress(via.ip, via.port);
  const name = service.namespace === "" ? `svc/${service.name}` : `${service.namespace}/svc/${service.name}`;
  return via.port === 0 ? name : `${name}:${via.port}`;
}

/** The node of both sides; only one name if they share it. */
export function nodes(client: Endpoint | undefined, server: Endpoint | undefined): string {
  const from = client?.node ?? "";
  const to = server?.node ?? "";
  return from === to || to === "" ? from : `${from === "" ? "?" : from}→${to}`;
}

/** Both sides of a pair in one cell; empty if both are unknown. */
export function pair(client: string, server: string): string {
  return client === "" && server === "" ? "" : `${client || "-"}→${server || "-"}`;
}

/** Paths of an endpoint's values in JSON, for CSV. */
export function endpointPaths(name: string): string[] {
  return endpointFields.map((field) => `${name}.${field}`);
}

const endpointFields = [
  "kind",
  "ip",
  "port",
  "node",
  "namespace",
  "pod",
  "workload.kind",
  "workload.name",
  "container",
  "unit",
  "process.pid",
  "process.name",
  "process.exe",
  "process.uid",
  "inode",
  "networkNamespace",
  "name",
];

/** Paths of the dialled address in JSON, for CSV. */
export const viaPaths: readonly string[] = [
  "via.ip",
  "via.port",
  "via.service.namespace",
  "via.service.name",
];
