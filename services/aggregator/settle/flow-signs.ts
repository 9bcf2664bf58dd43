// What flows say about the life of a connection.

import { FlowStatus } from "../../../lib/conntrack/flow-status.ts";
import { TcpFlowState } from "../../../lib/vocabulary/states.ts";
import { Protocol } from "../../../lib/vocabulary/protocols.ts";
import { Trait } from "../model/connections/connection-rows.ts";
import type { FlowRows } from "../model/flows/flow-rows.ts";
import type { ReadModel } from "../model/model.ts";

/** Whether both ends of a flow have spoken; of TCP whether the handshake was finished. */
export function isAnswered({ protocol, state, status }: FlowRows, flow: number): boolean {
  if ((status[flow]! & FlowStatus.assured) !== 0) return true;
  if (protocol[flow] === Protocol.tcp)
    return state[flow]! >= TcpFlowState.established && state[flow]! <= TcpFlowState.timeWait;
  return (status[flow]! & FlowStatus.seenReply) !== 0;
}

/** Whether a connection that rests on flows alone, or into which such were folded, has a flow that exists. */
export function hasLiveFlow({ connections, flows }: ReadModel, connection: number): boolean {
  const fold = connections.folds.size === 0 ? undefined : connections.folds.get(connection);
  if (fold !== undefined) return fold.liveFlows > 0;
  return connections.has(connection, Trait.lone) && flows.isLive(connections.flow[connection]!);
}

/**
 * Whether the conversation continues, as far as its live flow says. conntrack keeps TCP entries for minutes
 * after the end, and those whose end nobody saw for days: where one side is read and has no socket, there is
 * no conversation.
 */
export function isOpenFlow({ connections, flows }: ReadModel, connection: number): boolean {
  const flow = connections.flow[connection]!;
  if (flow < 0 || flows.protocol[flow] !== Protocol.tcp) return true;
  if (connections.has(connection, Trait.covered)) return false;
  const state = flows.state[flow]!;
  return state <= TcpFlowState.established || state === TcpFlowState.synSent2;
}
