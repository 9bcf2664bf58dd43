// Objects as the API server sends them, reduced to the fields that tests set.

interface PodParts {
  readonly namespace?: string;
  readonly name?: string;
  readonly node?: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly owner?: readonly [kind: string, name: string, uid: string];
  readonly ips?: readonly string[];
  readonly hostNetwork?: boolean;
  readonly phase?: string;
  readonly startedMs?: number;
  readonly finishedMs?: number;
  readonly containerStartedMs?: number;
  readonly runtimeClass?: string;
  readonly system?: string;
  readonly staticUid?: string;
  readonly containerId?: string;
  readonly ports?: readonly {
    readonly containerPort: number;
    readonly protocol?: string;
    readonly name?: string;
  }[];
}

/** A pod of namespace "shop" on node "n1". */
export function podJson(uid: string, parts: PodParts = {}): object {
  const { owner, startedMs, finishedMs, containerStartedMs, containerId } = parts;
  const startedAt = containerStartedMs === undefined ? undefined : new Date(containerStartedMs).toISOString();
  const running = startedAt === undefined ? {} : { running: { startedAt } };
  const state =
    finishedMs === undefined
      ? running
      : { terminated: { startedAt, finishedAt: new Date(finishedMs).toISOString() } };
  return {
    metadata: {
      uid,
      namespace: parts.namespace ?? "shop",
      name: parts.name ?? `pod-${uid}`,
      resourceVersion: "1",
      creationTimestamp: new Date(startedMs ?? 0).toISOString(),
      labels: parts.labels ?? {},
      ...(parts.staticUid === undefined
        ? {}
        : { annotations: { "kubernetes.io/config.mirror": parts.staticUid } }),
      ...(owner === undefined
        ? {}
        : { ownerReferences: [{ kind: owner[0], name: owner[1], uid: owner[2], controller: true }] }),
    },
    spec: {
      nodeName: parts.node ?? "n1",
      serviceAccountName: "default",
      hostNetwork: parts.hostNetwork,
      runtimeClassName: parts.runtimeClass,
      ...(parts.system === undefined ? {} : { os: { name: parts.system } }),
      containers: [{ name: "main", image: "image:1", ports: parts.ports ?? [] }],
    },
    status: {
      phase: parts.phase ?? "Running",
      podIPs: (parts.ips ?? []).map((ip) => ({ ip })),
      ...(startedMs === undefined ? {} : { startTime: new Date(startedMs).toISOString() }),
      containerStatuses: [
        {
          name: "main",
          containerID: containerId === undefined ? "" : `containerd://${containerId}`,
          state,
        },
      ],
    },
  };
}

interface ServiceParts {
  readonly clusterIPs?: readonly string[];
  readonly externalIPs?: readonly string[];
  readonly balancerIps?: readonly string[];
  readonly ports?: readonly object[];
  readonly selector?: Readonly<Record<string, string>>;
  readonly createdMs?: number;
}

/** A service of namespace "shop". */
export function serviceJson(uid: string, name: string, parts: ServiceParts): object {
  return {
    metadata: {
      uid,
      namespace: "shop",
      name,
      resourceVersion: "1",
      creationTimestamp: new Date(parts.createdMs ?? 0).toISOString(),
    },
    spec: {
      clusterIPs: parts.clusterIPs ?? [],
      externalIPs: parts.externalIPs,
      ports: parts.ports ?? [],
      selector: parts.selector,
    },
    status: { loadBalancer: { ingress: (parts.balancerIps ?? []).map((ip) => ({ ip })) } },
  };
}

/** A slice of a service of namespace "shop"; endpoints as [address, uid of the pod]. */
export function sliceJson(
  uid: string,
  service: string,
  ports: readonly { readonly name?: string; readonly protocol: string; readonly port?: number }[],
  endpoints: readonly (readonly [address: string, podUid: string])[],
): object {
  return {
    metadata: { uid, namespace: "shop", name: uid, labels: { "kubernetes.io/service-name": service } },
    ports,
    endpoints: endpoints.map(([address, podUid]) => ({
      addresses: [address],
      ...(podUid === "" ? {} : { targetRef: { kind: "Pod", uid: podUid } }),
    })),
  };
}

/** A node. */
export function nodeJson(
  name: string,
  addresses: readonly string[],
  podCIDRs: readonly string[],
  zone = "",
  operatingSystem = "linux",
): object {
  return {
    metadata: { uid: `node-${name}`, name, labels: { "topology.kubernetes.io/zone": zone } },
    spec: { podCIDRs },
    status: {
      nodeInfo: { operatingSystem },
      addresses: [
        ...addresses.map((address) => ({ type: "InternalIP", address })),
        { type: "Hostname", address: name },
      ],
    },
  };
}
