// Which column of a table is which field of a report's messages (report.proto).

import type { FlowTable } from "./flow-table.ts";
import type { HolderTable } from "./holder-table.ts";
import type { SocketTable } from "./socket-table.ts";
import type { TableColumns } from "./table-codec.ts";

/** SocketColumns. */
export const socketColumns: TableColumns<SocketTable> = {
  key: [2, "id"],
  columns: [
    [3, "namespace"],
    [4, "protocol"],
    [5, "family"],
    [6, "state"],
    [8, "localPort"],
    [9, "remotePort"],
    [10, "inode"],
    [11, "uid"],
    [12, "recvQueue"],
    [13, "sendQueue"],
    [14, "timer"],
    [15, "timerDeadline"],
    [16, "retransmits"],
    [17, "references"],
    [18, "drops"],
    [19, "firstSeen"],
    [20, "dualStack"],
    [21, "cookieLow"],
    [22, "cookieHigh"],
    [23, "counted"],
    [24, "bytesSent"],
    [25, "bytesReceived"],
    [26, "rttMicros"],
    [27, "totalRetransmits"],
    [28, "attempt"],
  ],
  addresses: [7, 2],
};

/** SocketChangeColumns. */
export const socketChangeColumns: TableColumns<SocketTable> = {
  key: [2, "id"],
  columns: [
    [3, "state"],
    [4, "inode"],
    [5, "uid"],
    [6, "recvQueue"],
    [7, "sendQueue"],
    [8, "timer"],
    [9, "timerDeadline"],
    [10, "retransmits"],
    [11, "references"],
    [12, "drops"],
    [13, "counted"],
    [14, "bytesSent"],
    [15, "bytesReceived"],
    [16, "rttMicros"],
    [17, "totalRetransmits"],
    [18, "cookieLow"],
    [19, "cookieHigh"],
    [20, "attempt"],
  ],
};

/** HolderColumns. */
export const holderColumns: TableColumns<HolderTable> = {
  key: [2, "socket"],
  columns: [
    [3, "process"],
    [4, "fd"],
  ],
};

/** FlowColumns. */
export const flowColumns: TableColumns<FlowTable> = {
  key: [2, "id"],
  columns: [
    [3, "namespace"],
    [4, "protocol"],
    [5, "family"],
    [6, "state"],
    [7, "status"],
    [9, "ports", 4],
    [10, "zone"],
    [11, "mark"],
    [12, "deadline"],
    [13, "kernelId"],
    [14, "counters", 4],
    [15, "startMs"],
    [16, "firstSeen"],
  ],
  addresses: [8, 4],
};

/** FlowChangeColumns. */
export const flowChangeColumns: TableColumns<FlowTable> = {
  key: [2, "id"],
  columns: [
    [3, "state"],
    [4, "status"],
    [5, "mark"],
    [6, "deadline"],
    [7, "counters", 4],
  ],
};
