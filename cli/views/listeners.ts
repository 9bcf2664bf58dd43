// The view of listeners: sockets that accept connections.

import type { Listener, ServiceRef } from "../../lib/gen/whotalks/v1/query.ts";
import { itemJson } from "../../lib/json/list.ts";
import { formatAge } from "../text/age.ts";
import { endpointLabel } from "./endpoint-label.ts";
import { endpointPaths, inode, labelColumn, pids, queues } from "./endpoint-columns.ts";
import { referencePart, type View } from "./view.ts";

const serviceName = ({ namespace, name }: ServiceRef): string =>
  namespace === "" ? name : `${namespace}/${name}`;
const services = (listener: Listener): string => listener.services.map(serviceName).join(",");
const owner = (listener: Listener): string => endpointLabel(listener.endpoint);

/** All listeners. */
export const listenersView: View<Listener> = {
  name: "listeners",
  kind: "ListenerList",
  one: "listener",
  many: "listeners",
  columns: [
    { key: "owner", header: "OWNER", cell: owner, rank: owner },
    {
      key: "protocol",
      header: "PROTOCOL",
      cell: (listener) => listener.protocol,
      rank: (listener) => listener.protocol,
    },
    {
      key: "address",
      header: "ADDRESS",
      cell: (listener) => listener.address,
      rank: (listener) => listener.address,
    },
    {
      key: "port",
      header: "PORT",
      smallestFirst: true,
      cell: (listener) => (listener.port === 0 ? "" : String(listener.port)),
      rank: (listener) => listener.port,
    },
    {
      key: "since",
      header: "SINCE",
      moving: true,
      cell: (listener, { nowMs }) => formatAge(nowMs - listener.firstSeenMs),
      rank: (listener) => -listener.firstSeenMs,
    },
    {
      key: "inode",
      header: "INODE",
      wide: true,
      cell: (listener) => inode(listener.endpoint),
      rank: (listener) => listener.endpoint?.inode ?? 0,
    },
    {
      key: "pid",
      header: "PID",
      wide: true,
      cell: (listener) => pids(listener.endpoint),
      rank: (listener) => listener.endpoint?.process?.pid ?? 0,
    },
    {
      key: "uid",
      header: "UID",
      wide: true,
      cell: (listener) => String(listener.endpoint?.socketUid ?? ""),
      rank: (listener) => listener.endpoint?.socketUid ?? -1,
    },
    {
      key: "queues",
      header: "QUEUES",
      wide: true,
      moving: true,
      cell: (listener) => queues(listener.endpoint),
      rank: (listener) => listener.endpoint?.recvQueue ?? -1,
    },
    { key: "services", header: "SERVICES", wide: true, cell: services, rank: services },
    {
      key: "node",
      header: "NODE",
      wide: true,
      cell: (listener) => listener.endpoint?.node ?? "",
      rank: (listener) => listener.endpoint?.node ?? "",
    },
  ],
  labelColumns: [labelColumn("labels", "LABELS", ({ endpoint }) => endpoint)],
  order: ["owner", "protocol", "address", "port", "inode"],
  csv: [
    "protocol",
    "address",
    "port",
    ...endpointPaths("endpoint").filter((path) => path !== "endpoint.port"),
    "declared",
    "firstSeen",
  ],
  json: (listener) => itemJson("ListenerList", listener),
  identity: (listener) => {
    const { endpoint } = listener;
    const place = [endpoint?.node, endpoint?.networkNamespace, endpoint?.inode, owner(listener)];
    return JSON.stringify([place, listener.protocol, listener.address, listener.port]);
  },
  reference: (listener) =>
    `listener/${[owner(listener), listener.protocol, listener.address, String(listener.port)].map(referencePart).join("~")}`,
  tone: () => "plain",
};
