// The view of connections: one row per conversation.

import { connectionCounters } from "../../lib/json/gen/connection-counters.ts";
import type { Connection } from "../../lib/gen/whotalks/v1/query.ts";
import { itemJson } from "../../lib/json/list.ts";
import { formatAge } from "../text/age.ts";
import { endpointLabel, endpointLabelWithAddress } from "./endpoint-label.ts";
import {
  address,
  endpointPaths,
  inode,
  pair,
  pids,
  queues,
  timer,
  viaLabel,
  viaPaths,
  labelColumn,
} from "./endpoint-columns.ts";
import { type CellContext, type Column, formatBytes, referencePart, type View } from "./view.ts";

/** The state of a connection while it is open, else its outcome. */
function connectionState(connection: Connection): string {
  const failed = connection.outcome === "refused" || connection.outcome === "timed-out";
  if (failed) return connection.outcome;
  if (connection.closed) return "closed";
  return connection.state || connection.outcome;
}

// Appends the number of folded conversations and whether the connection was only forwarded.
function stateCell(connection: Connection): string {
  const count = connection.count > 1 ? ` ×${connection.count}` : "";
  return `${connectionState(connection)}${count}${connection.forwarded ? " forwarded" : ""}`;
}

// Echo requests are called ping; other messages have the type's number (RFC 792, RFC 4443).
function protocolCell({ protocol, icmp }: Connection): string {
  if (icmp === undefined) return protocol;
  const echo = icmp.type === (protocol === "icmpv6" ? 128 : 8);
  return echo ? `${protocol} echo` : `${protocol} type ${icmp.type}`;
}

// "?" means that an unknown address may have been dialled; empty means the server's own.
function viaCell({ via, viaUnknown }: Connection): string {
  return viaUnknown ? "?" : viaLabel(via);
}

function clientCell(connection: Connection, { wide }: CellContext): string {
  return wide ? endpointLabel(connection.client) : endpointLabelWithAddress(connection.client);
}

function serverCell(connection: Connection, { wide }: CellContext): string {
  const label = wide ? endpointLabel(connection.server) : endpointLabelWithAddress(connection.server);
  return wide || connection.unixPath === "" ? label : `${label} ${connection.unixPath}`;
}

const pairs = {
  inode: (connection: Connection) => pair(inode(connection.client), inode(connection.server)),
  pid: (connection: Connection) => pair(pids(connection.client), pids(connection.server)),
};

/** The state column that connections and unix sockets share. */
const stateColumn: Column<Connection> = {
  key: "state",
  header: "STATE",
  cell: stateCell,
  rank: stateCell,
};

/** The socket columns of -o wide, for connections and unix sockets alike. */
const socketColumns: ReadonlyArray<Column<Connection>> = [
  { key: "inode", header: "INODE", wide: true, cell: pairs.inode, rank: pairs.inode },
  { key: "pid", header: "PID", wide: true, cell: pairs.pid, rank: pairs.pid },
  {
    key: "direction",
    header: "DIRECTION",
    wide: true,
    cell: (connection) => connection.directionBy,
    rank: (connection) => connection.directionBy,
  },
  {
    key: "evidence",
    header: "EVIDENCE",
    wide: true,
    cell: (connection) => connection.evidence.join(","),
    rank: (connection) => connection.evidence.join(","),
  },
];

const ageColumn: Column<Connection> = {
  key: "age",
  header: "AGE",
  moving: true,
  cell: (connection, { nowMs }) => formatAge(nowMs - connection.firstSeenMs),
  // Oldest first: its age is the largest.
  rank: (connection) => -connection.firstSeenMs,
};

/** All conversations. */
export const connectionsView: View<Connection> = {
  name: "connections",
  kind: "ConnectionList",
  one: "connection",
  many: "connections",
  columns: [
    {
      key: "client",
      header: "CLIENT",
      cell: clientCell,
      rank: (connection) => endpointLabelWithAddress(connection.client),
    },
    {
      key: "server",
      header: "SERVER",
      cell: serverCell,
      rank: (connection) => endpointLabelWithAddress(connection.server),
    },
    {
      key: "protocol",
      header: "PROTOCOL",
      cell: protocolCell,
      rank: protocolCell,
    },
    stateColumn,
    ageColumn,
    {
      key: "client-address",
      header: "CLIENT ADDRESS",
      wide: true,
      cell: (connection) => address(connection.client),
      rank: (connection) => address(connection.client),
    },
    {
      key: "server-address",
      header: "SERVER ADDRESS",
      wide: true,
      cell: (connection) => address(connection.server) || connection.unixPath,
      rank: (connection) => address(connection.server) || connection.unixPath,
    },
    ...socketColumns,
    {
      key: "queues",
      header: "QUEUES",
      wide: true,
      moving: true,
      cell: (connection) => pair(queues(connection.client) || queues(connection), queues(connection.server)),
      rank: (connection) => (connection.recvQueue ?? 0) + (connection.sendQueue ?? 0),
    },
    {
      key: "timer",
      header: "TIMER",
      wide: true,
      moving: true,
      cell: (connection) => pair(timer(connection.client), timer(connection.server)),
      rank: (connection) => connection.client?.timer?.kind ?? connection.server?.timer?.kind ?? "",
    },
    {
      key: "bytes-to-server",
      header: "BYTES→",
      wide: true,
      moving: true,
      cell: (connection) => formatBytes(connection.bytesToServer),
      rank: (connection) => connection.bytesToServer ?? -1,
    },
    {
      key: "bytes-to-client",
      header: "BYTES←",
      wide: true,
      moving: true,
      cell: (connection) => formatBytes(connection.bytesToClient),
      rank: (connection) => connection.bytesToClient ?? -1,
    },
    {
      key: "count",
      header: "COUNT",
      wide: true,
      cell: (connection) => String(connection.count),
      rank: (connection) => connection.count,
    },
    {
      key: "via",
      header: "VIA",
      wide: true,
      cell: viaCell,
      rank: viaCell,
    },
  ],
  labelColumns: [
    labelColumn("client-labels", "CLIENT LABELS", ({ client }) => client),
    labelColumn("server-labels", "SERVER LABELS", ({ server }) => server),
  ],
  order: ["client", "server", "protocol", "state", "age"],
  csv: [
    "uid",
    "protocol",
    "outcome",
    "state",
    "closed",
    ...endpointPaths("client"),
    ...endpointPaths("server"),
    ...viaPaths,
    "unixPath",
    "bytesToServer",
    "bytesToClient",
    ...connectionCounters,
    "recvQueue",
    "sendQueue",
    "firstSeen",
    "lastSeen",
    "count",
    "forwarded",
    "directionBy",
    "evidence",
  ],
  json: (connection) => itemJson("ConnectionList", connection),
  identity: (connection) => connection.uid,
  reference: (connection) => `connection/${referencePart(connection.uid)}`,
  tone: (connection) => {
    if (connection.outcome === "refused" || connection.outcome === "timed-out") return "bad";
    return connection.closed ? "quiet" : "plain";
  },
};

/** Conversations over unix sockets. */
export const unixView: View<Connection> = {
  ...connectionsView,
  name: "unix",
  one: "unix connection",
  many: "unix connections",
  columns: [
    {
      key: "client",
      header: "CLIENT",
      cell: (connection) => endpointLabel(connection.client),
      rank: (connection) => endpointLabel(connection.client),
    },
    {
      key: "server",
      header: "SERVER",
      cell: (connection) => endpointLabel(connection.server),
      rank: (connection) => endpointLabel(connection.server),
    },
    {
      key: "path",
      header: "PATH",
      cell: (connection) => connection.unixPath,
      rank: (connection) => connection.unixPath,
    },
    stateColumn,
    { ...ageColumn, wide: true },
    ...socketColumns,
  ],
  labelColumns: [
    labelColumn("client-labels", "CLIENT LABELS", ({ client }) => client),
    labelColumn("server-labels", "SERVER LABELS", ({ server }) => server),
  ],
  order: ["client", "server", "path", "state", "age"],
};
