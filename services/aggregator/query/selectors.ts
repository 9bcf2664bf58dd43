// Endpoint selectors: which endpoints a user's word matches.

import { endpointKinds, normalizeEndpointKind } from "../../../lib/vocabulary/endpoint-kinds.ts";
import { inRange, parseRange } from "../../../lib/address.ts";
import type { Endpoint, EndpointSelector, NamedSelector } from "../../../lib/gen/whotalks/v1/query.ts";
import type { HoldingProcess } from "../view/socket-view.ts";
import type { View } from "../view/view.ts";
import { FilterError } from "./filter-error.ts";

/** What selectors test: one side of a connection, an end of an edge, or a listener. */
export interface Subject {
  /** Who it is. On edges its process has no pid. */
  readonly endpoint: Endpoint;
  /** Slot of the socket; -1 if there is none, and always for edges. */
  readonly socket: number;
  /** Id of the address; -1 if there is none, and always for edges. */
  readonly address: number;
  readonly port: number;
  readonly protocol: string;
  readonly path: string;
  /** The address dialled to reach it, if different: servers only. */
  readonly via: { readonly ip: string; readonly port: number; readonly address: number } | null;
}

/** A compiled selector. */
export interface SelectorTest {
  /** Whether endpoint and via are enough to decide, without a socket or an address. */
  readonly byEndpoint: boolean;
  test(subject: Subject): boolean;
}

/** Compiles a selector for an answer at a time. Throws FilterError if it is empty or invalid. */
export function compileSelector(selector: EndpointSelector, view: View): SelectorTest {
  if (selector.cidr !== undefined) return cidrTest(selector.cidr, view);
  if (selector.pod !== undefined) {
    const { namespace, name } = selector.pod;
    return byEndpoint(({ endpoint }) => endpoint.pod === name && isIn(endpoint, namespace));
  }
  if (selector.workload !== undefined) {
    const { namespace, kind, name } = selector.workload;
    return byEndpoint(
      ({ endpoint }) =>
        isIn(endpoint, namespace) &&
        ((endpoint.workload?.kind === kind && endpoint.workload.name === name) ||
          (kind === "Pod" && endpoint.pod === name)),
    );
  }
  if (selector.service !== undefined) return serviceTest(selector.service, view);
  if (selector.namespace !== undefined) {
    const { namespace } = selector;
    return byEndpoint(({ endpoint }) => endpoint.namespace === namespace);
  }
  if (selector.node !== undefined) {
    const { node } = selector;
    return byEndpoint(({ endpoint }) => endpoint.node === node && endpoint.kind !== "pod");
  }
  if (selector.endpointKind !== undefined) {
    const kind = normalizeEndpointKind(selector.endpointKind);
    if (kind === null) {
      throw new FilterError(
        `unknown kind of endpoint "${selector.endpointKind}"; expected one of ${endpointKinds.join(", ")}`,
      );
    }
    return byEndpoint(({ endpoint }) => endpoint.kind === kind);
  }
  if (selector.process !== undefined) {
    const { process } = selector;
    return { byEndpoint: false, test: ({ socket }) => isHeldBy(view, socket, process) };
  }
  if (selector.pid !== undefined) {
    const { pid } = selector;
    return { byEndpoint: false, test: ({ socket }) => isHeldByPid(view, socket, pid) };
  }
  if (selector.unit !== undefined) {
    const { unit } = selector;
    return byEndpoint(({ endpoint }) => endpoint.unit === unit);
  }
  if (selector.container !== undefined) return containerTest(selector.container, view);
  if (selector.path !== undefined) return pathTest(selector.path);
  throw new FilterError("an endpoint selector is empty: set one of its kinds");
}

/** Whether a process of this name (comm, or the last part of exe) holds a socket. */
export function isHeldBy(view: View, socket: number, name: string): boolean {
  return someHolder(view, socket, (process) => process.name === name || lastPart(process.exe) === name);
}

function isHeldByPid(view: View, socket: number, pid: number): boolean {
  return someHolder(view, socket, (process) => process.pid === pid);
}

function someHolder(view: View, socket: number, test: (process: HoldingProcess) => boolean): boolean {
  if (socket < 0) return false;
  for (const { process } of view.sockets.holders(socket)) if (test(process)) return true;
  return false;
}

// The path of a program that was replaced while it runs ends in " (deleted)".
function lastPart(exe: string): string {
  return exe.slice(exe.lastIndexOf("/") + 1).replace(/ \(deleted\)$/, "");
}

function byEndpoint(test: (subject: Subject) => boolean): SelectorTest {
  return { byEndpoint: true, test };
}

function isIn(endpoint: Endpoint, namespace: string): boolean {
  return namespace === "" || endpoint.namespace === namespace;
}

function cidrTest(text: string, view: View): SelectorTest {
  const range = parseRange(text);
  if (range === null) {
    throw new FilterError(`"${text}" is no address or range: write 10.0.0.1, 10.0.0.0/8 or 2001:db8::/32`);
  }
  const fits = (address: number): boolean =>
    address >= 0 && inRange(range, view.addresses.words, address * 4);
  return {
    byEndpoint: false,
    test: ({ address, via }) => fits(address) || (via !== null && fits(via.address)),
  };
}

// Matches if the service's address was dialled, if the endpoint is the service, or if the service leads to the
// server's port, whatever address was dialled.
function serviceTest({ namespace, name }: NamedSelector, view: View): SelectorTest {
  const fits = (service: { readonly namespace: string; readonly name: string } | undefined): boolean =>
    service !== undefined && service.name === name && (namespace === "" || service.namespace === namespace);
  return byEndpoint(({ endpoint, via, port, protocol }) => {
    if (endpoint.kind === "service" && fits(endpoint)) return true;
    if (via !== null && fits(view.identity.serviceFront(via.ip, via.port, protocol, view.nowMs))) return true;
    if (endpoint.podUid === "") return false;
    return view.identity.declaration(endpoint.podUid, port, protocol)?.services.some(fits) ?? false;
  });
}

function containerTest(container: string, view: View): SelectorTest {
  if (container === "")
    throw new FilterError("a container selector is empty: give its name, or the start of its id");
  return {
    byEndpoint: false,
    test: ({ endpoint, socket }) =>
      endpoint.container === container ||
      (endpoint.kind === "process" && endpoint.container.startsWith(container)) ||
      someHolder(view, socket, ({ containerId }) => containerId.startsWith(container)),
  };
}

function pathTest(path: string): SelectorTest {
  if (path.endsWith("*")) {
    const start = path.slice(0, -1);
    return byEndpoint((subject) => subject.path !== "" && subject.path.startsWith(start));
  }
  return byEndpoint((subject) => subject.path === path && path !== "");
}
