// The services: the addresses and ports that clients dial, and the endpoints behind them. Removed ones are
// kept for some minutes, because their connections outlive them.

import { isDeepStrictEqual } from "node:util";

import { parseAddress } from "../../../../lib/address.ts";
import { AddressSpans } from "./cluster-addresses.ts";
import type { ServiceObject, ServicePort, SliceObject } from "./cluster-objects.ts";

/** How long removed fronts and endpoints still count: as long as a closed connection stays visible. */
const REMOVED_KEEP_MS = 5 * 60_000;
/** The data path may be set up before the watch reports the service, and clocks differ. */
const EARLY_MS = 60_000;
/** With fewer common bits than these, the service addresses do not come from one range. */
const RANGE_BITS_MIN = { ipv4: 96 + 12, ipv6: 108 } as const;

/** One port of one service, as clients dial it. */
export interface Front {
  readonly service: ServiceObject;
  readonly port: ServicePort;
}

interface FrontEntry extends Front {
  readonly fromMs: number;
  untilMs: number;
}

interface Backend {
  /** How many slices name it now. */
  slices: number;
  untilMs: number;
}

interface CommonBits {
  readonly words: Uint32Array;
  bits: number;
}

/** The services of a cluster. */
export class ServiceTable {
  /** Owners are services' uids. */
  readonly addresses = new AddressSpans();
  readonly #services = new Map<string, ServiceObject>();
  // Uids of deleted services, in order of deletion.
  readonly #gone = new Map<string, number>();
  // "tcp/443/10.96.0.1", and "tcp/30080/*" for node ports.
  readonly #fronts = new Map<string, FrontEntry[]>();
  readonly #slices = new Map<string, SliceObject>();
  // "namespace/service" → "tcp/https/8443/10.244.1.7".
  readonly #backends = new Map<string, Map<string, Backend>>();
  readonly #slicesOfPod = new Map<string, Set<SliceObject>>();
  readonly #common: { ipv4?: CommonBits; ipv6?: CommonBits } = {};

  /** Stores a service; returns whether anything changed. */
  putService(service: ServiceObject, nowMs: number): boolean {
    const known = this.#services.get(service.uid);
    if (known !== undefined && isDeepStrictEqual(known, service)) return false;
    const before = known === undefined ? new Map<string, ServicePort>() : frontsOf(known);
    const after = frontsOf(service);
    for (const key of before.keys()) this.#closeFront(key, service.uid, nowMs);
    for (const [key, port] of after) {
      const fromMs = known === undefined || before.has(key) ? service.createdMs : nowMs;
      this.#openFront(key, { service, port, fromMs, untilMs: Infinity });
    }
    for (const address of known === undefined ? [] : addressesOf(known)) {
      if (!addressesOf(service).includes(address)) this.addresses.release(address, service.uid, nowMs);
    }
    for (const address of addressesOf(service)) {
      this.addresses.hold(address, service.uid, known === undefined ? service.createdMs : nowMs, nowMs);
    }
    for (const address of service.clusterIps) this.#widenRange(address);
    this.#services.set(service.uid, service);
    return true;
  }

  /** Records that a service was deleted. */
  removeService(uid: string, nowMs: number): void {
    const service = this.#services.get(uid);
    if (service === undefined) return;
    for (const key of frontsOf(service).keys()) this.#closeFront(key, uid, nowMs);
    for (const address of addressesOf(service)) this.addresses.release(address, uid, nowMs);
    this.#gone.set(uid, nowMs);
  }

  /** Stores an endpoint slice; returns whether anything changed. */
  putSlice(slice: SliceObject, nowMs: number): boolean {
    const known = this.#slices.get(slice.uid);
    if (known !== undefined && isDeepStrictEqual(known, slice)) return false;
    this.#slices.set(slice.uid, slice);
    const backends = mapOf(this.#backends, serviceKey(slice));
    for (const key of backendsOf(slice)) {
      const backend = backends.get(key);
      if (backend === undefined) backends.set(key, { slices: 1, untilMs: Infinity });
      else {
        backend.slices++;
        backend.untilMs = Infinity;
      }
    }
    for (const uid of podsOf(slice)) {
      const slices = this.#slicesOfPod.get(uid) ?? new Set();
      this.#slicesOfPod.set(uid, slices.add(slice));
    }
    if (known !== undefined) this.#dropSlice(known, nowMs);
    return true;
  }

  /** Records that an endpoint slice was deleted. */
  removeSlice(uid: string, nowMs: number): void {
    const slice = this.#slices.get(uid);
    if (slice === undefined) return;
    this.#slices.delete(uid);
    this.#dropSlice(slice, nowMs);
  }

  /** The service with this ClusterIP, external IP or load balancer address at a time. */
  serviceAt(address: string, timeMs: number): ServiceObject | undefined {
    const uid = this.addresses.ownerAt(address, timeMs);
    return uid === undefined ? undefined : this.#services.get(uid);
  }

  /** The service port behind an address and port at a time; `onNode` says whether the address is a node's. */
  front(address: string, port: number, protocol: string, timeMs: number, onNode: boolean): Front | undefined {
    const front = frontAt(this.#fronts.get(`${protocol}/${port}/${address}`), timeMs);
    return front ?? (onNode ? frontAt(this.#fronts.get(`${protocol}/${port}/*`), timeMs) : undefined);
  }

  /** Whether an address and port is, or recently was, an endpoint of a service port. */
  hasBackend(front: Front, address: string, port: number): boolean {
    const backends = this.#backends.get(
      serviceKey({ namespace: front.service.namespace, service: front.service.name }),
    );
    const { protocol, name } = front.port;
    return (
      backends !== undefined &&
      (backends.has(`${protocol}/${name}/${port}/${address}`) ||
        backends.has(`${protocol}/${name}/0/${address}`))
    );
  }

  /** The services that lead to a pod's port. */
  leadingTo(podUid: string, port: number, protocol: string): readonly { namespace: string; name: string }[] {
    const found = new Map<string, { namespace: string; name: string }>();
    for (const slice of this.#slicesOfPod.get(podUid) ?? []) {
      if (
        slice.ports.some((entry) => entry.protocol === protocol && (entry.port === port || entry.port === 0))
      ) {
        found.set(serviceKey(slice), { namespace: slice.namespace, name: slice.service });
      }
    }
    return [...found.values()];
  }

  /** Whether an address lies in the range that all ClusterIPs of its family seen so far have in common. */
  inServiceRange(words: Uint32Array, ipv4: boolean): boolean {
    const common = ipv4 ? this.#common.ipv4 : this.#common.ipv6;
    return (
      common !== undefined &&
      common.bits >= rangeBitsMin(ipv4) &&
      commonBits(common.words, words) >= common.bits
    );
  }

  /** Drops fronts and endpoints removed too long ago; services' addresses are kept as long as pods are. */
  forget(nowMs: number, beforeMs: number): void {
    const removedBeforeMs = nowMs - REMOVED_KEEP_MS;
    for (const [key, fronts] of this.#fronts) {
      const kept = fronts.filter(({ untilMs }) => untilMs >= removedBeforeMs);
      if (kept.length === 0) this.#fronts.delete(key);
      else if (kept.length < fronts.length) this.#fronts.set(key, kept);
    }
    for (const [service, backends] of this.#backends) {
      for (const [key, { untilMs }] of backends) if (untilMs < removedBeforeMs) backends.delete(key);
      if (backends.size === 0) this.#backends.delete(service);
    }
    for (const [uid, goneMs] of this.#gone) {
      if (goneMs >= beforeMs) break;
      this.#services.delete(uid);
      this.#gone.delete(uid);
    }
    this.addresses.forget(beforeMs);
  }

  #openFront(key: string, entry: FrontEntry): void {
    const fronts = this.#fronts.get(key) ?? [];
    const kept = fronts.filter(({ service }) => service.uid !== entry.service.uid);
    this.#fronts.set(key, [...kept, entry]);
  }

  #closeFront(key: string, uid: string, nowMs: number): void {
    for (const front of this.#fronts.get(key) ?? []) {
      if (front.service.uid === uid && front.untilMs > nowMs) front.untilMs = nowMs;
    }
  }

  #dropSlice(slice: SliceObject, nowMs: number): void {
    const backends = this.#backends.get(serviceKey(slice));
    for (const key of backendsOf(slice)) {
      const backend = backends?.get(key);
      if (backend !== undefined && --backend.slices === 0) backend.untilMs = nowMs;
    }
    for (const uid of podsOf(slice)) {
      const slices = this.#slicesOfPod.get(uid);
      slices?.delete(slice);
      if (slices?.size === 0) this.#slicesOfPod.delete(uid);
    }
  }

  #widenRange(address: string): void {
    const words = parseAddress(address);
    if (words === null) return;
    const family = address.includes(":") ? "ipv6" : "ipv4";
    const common = this.#common[family];
    if (common === undefined) this.#common[family] = { words, bits: 128 };
    else common.bits = Math.min(common.bits, commonBits(common.words, words));
  }
}

// If two services share a front (two may name the same externalIP), the older one wins, as in kube-proxy.
function frontAt(fronts: readonly FrontEntry[] | undefined, timeMs: number): Front | undefined {
  const then = fronts?.filter(({ fromMs, untilMs }) => fromMs - EARLY_MS <= timeMs && timeMs < untilMs) ?? [];
  const lately =
    fronts?.filter(({ untilMs }) => untilMs <= timeMs && timeMs < untilMs + REMOVED_KEEP_MS) ?? [];
  const found = then.length > 0 ? then : lately;
  return found.toSorted((one, other) => one.fromMs - other.fromMs)[0];
}

function addressesOf(service: ServiceObject): readonly string[] {
  return [...service.clusterIps, ...service.outerIps];
}

function frontsOf(service: ServiceObject): Map<string, ServicePort> {
  const fronts = new Map<string, ServicePort>();
  for (const port of service.ports) {
    for (const address of addressesOf(service)) fronts.set(`${port.protocol}/${port.port}/${address}`, port);
    if (port.nodePort !== 0) fronts.set(`${port.protocol}/${port.nodePort}/*`, port);
  }
  return fronts;
}

function backendsOf(slice: SliceObject): Set<string> {
  const keys = new Set<string>();
  for (const { addresses } of slice.endpoints) {
    for (const address of addresses) {
      for (const { protocol, name, port } of slice.ports) keys.add(`${protocol}/${name}/${port}/${address}`);
    }
  }
  return keys;
}

function podsOf(slice: SliceObject): Set<string> {
  return new Set(slice.endpoints.map(({ podUid }) => podUid).filter((uid) => uid !== ""));
}

function serviceKey(of: { readonly namespace: string; readonly service: string }): string {
  return `${of.namespace}/${of.service}`;
}

function mapOf<Value>(maps: Map<string, Map<string, Value>>, key: string): Map<string, Value> {
  const map = maps.get(key) ?? new Map<string, Value>();
  maps.set(key, map);
  return map;
}

function rangeBitsMin(ipv4: boolean): number {
  return ipv4 ? RANGE_BITS_MIN.ipv4 : RANGE_BITS_MIN.ipv6;
}

function commonBits(one: Uint32Array, other: Uint32Array): number {
  for (let i = 0; i < 4; i++) {
    const different = one[i]! ^ other[i]!;
    if (different !== 0) return 32 * i + Math.clz32(different);
  }
  return 128;
}
