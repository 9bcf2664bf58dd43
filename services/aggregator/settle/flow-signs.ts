// What flows show about the life of a connection.

import { FlowStatus } from "../../../lib/conntrack/flow-status.ts";
import { TcpFlowState } from "../../../lib/vocabulary/states.ts";
import { Protocol } from "../../../lib/vocabulary/protocols.ts";
import { Trait } from "../model/connections/connection-rows.ts";
import type { FlowRows } from "../model/flows/flow-rows.ts";
import type { ReadModel } from "../model/model.ts";

/** Whether both ends of a flow have sent; for TCP, whether the handshake was completed. */
export function isAnswered({ protocol, state, status }: FlowRows, flow: number): boolean {
  if ((status[flow]! & FlowStatus.assured) !== 0) return true;
  if (protocol[flow] === Protocol.tcp)
    return state[flow]! >= TcpFlowState.established && state[flow]! <= TcpFlowState.timeWait;
  return (status[flow]! & FlowStatus.seenReply) !== 0;
}

/** Whether a connection made from flows alone, or one that such were folded into, has a live flow. */
export function hasLiveFlow({ connections, flows }: ReadModel, connection: number): boolean {
  const fold = connections.folds.size === 0 ? undefined : connections.folds.get(connection);
  if (fold !== undefined) return fold.liveFlows > 0;
  return connections.has(connection, Trait.lone) && flows.isLive(connections.flow[connection]!);
}

/**
 * Whether the conversation continues, according to its live flow. conntrack keeps TCP entries for minutes
 * after the end, and for days if nobody saw the end: if one side is read and has no socket, the conversation
 * is over.
 */
export function isOpenFlow({ connections, flows }: ReadModel, connection: number): boolean {
  const flow = connections.flow[connection]!;
  if (flow < 0 || flows.protocol[flow] !== Protocol.tcp) return true;
  if (connections.has(connection, Trait.covered)) return false;
  const state = flows.state[flow]!;
  return state <= TcpFlowState.established || state === TcpFlowState.synSent2;
}
