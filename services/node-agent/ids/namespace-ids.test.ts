import assert from "node:assert/strict";
import { describe, it } from "node:test";

import type { NamespaceRecord, ProcessRecord, ProcessScan } from "../observation.ts";
import { NamespaceIds } from "./namespace-ids.ts";

function process(pid: number, podUid: string, containerId = ""): [number, ProcessRecord] {
  return [
    pid,
    {
      pid,
      startTicks: pid,
      parentPid: 1,
      name: "p",
      exe: "",
      uid: 0,
      namespaceInode: 0,
      podUid,
      containerId,
      unit: "",
      cgroup: 0,
      mountNamespace: 0,
    },
  ];
}

function scan(namespaces: NamespaceRecord[], ...processes: [number, ProcessRecord][]): ProcessScan {
  return { namespaces, processes: new Map(processes), unreadable: 0, limits: [] };
}

const host = { inode: 1, host: true, pids: [1] };
const init = process(1, "");

describe("namespace ids", () => {
  it("stay the same from pass to pass, and belong to the pod that all processes name", () => {
    const ids = new NamespaceIds();
    const pod = { inode: 2, host: false, pids: [10, 11] };
    const pass = scan([host, pod], init, process(10, "pod-a", "c1"), process(11, "pod-a", "c2"));
    const [first, second] = [ids.identify(pass), ids.identify(pass)];
    assert.deepEqual(first, second);
    assert.deepEqual(
      first.map(({ namespace }) => [namespace.inode, namespace.podUid, namespace.containerId]),
      [
        [1, "", ""],
        [2, "pod-a", ""],
      ],
    );
  });

  it("never belong to a pod if the namespace is the node's own, or may be", () => {
    const shared = { inode: 1, host: true, pids: [1, 10] };
    const [own] = new NamespaceIds().identify(scan([shared], init, process(10, "pod-a")));
    assert.equal(own!.namespace.podUid, "");
    const withoutInit = { inode: 1, host: false, pids: [10] };
    const [unknown] = new NamespaceIds().identify(scan([withoutInit], process(10, "pod-a")));
    assert.equal(unknown!.namespace.podUid, "");
  });

  it("stay the same while the pod's containers and the runtime's processes come and go", () => {
    const ids = new NamespaceIds();
    const pause = process(10, "pod-a", "pause");
    const pods = [
      ids.identify(scan([host, { inode: 2, host: false, pids: [10] }], init, pause)),
      ids.identify(scan([host, { inode: 2, host: false, pids: [10, 11] }], init, pause, process(11, ""))),
      ids.identify(
        scan([host, { inode: 2, host: false, pids: [10, 11] }], init, pause, process(11, "pod-a", "c1")),
      ),
      ids.identify(scan([host, { inode: 2, host: false, pids: [10] }], init, pause)),
    ].map(([, pod]) => pod!.namespace);
    assert.deepEqual(
      pods.map(({ id, podUid, containerId }) => [id, podUid, containerId]),
      [
        [1, "pod-a", "pause"],
        [1, "pod-a", ""],
        [1, "pod-a", ""],
        [1, "pod-a", "pause"],
      ],
    );
  });

  it("are new if the kernel reused an inode for another pod's namespace", () => {
    const ids = new NamespaceIds();
    const pod = { inode: 2, host: false, pids: [10] };
    const [, before] = ids.identify(scan([host, pod], init, process(10, "pod-a")));
    const [, after] = ids.identify(scan([host, pod], init, process(10, "pod-b")));
    assert.notEqual(before!.namespace.id, after!.namespace.id);
  });

  it("change with their addresses, and only then", () => {
    const ids = new NamespaceIds();
    const [identified] = ids.identify(scan([host], init));
    const first = ids.withAddresses(identified!.namespace, [Uint8Array.of(10, 0, 0, 1)]);
    assert.equal(ids.withAddresses(first, [Uint8Array.of(10, 0, 0, 1)]), first);
    assert.notEqual(ids.withAddresses(first, [Uint8Array.of(10, 0, 0, 2)]), first);
    assert.equal(ids.withAddresses(first, [Uint8Array.of(10, 0, 0, 2)]).id, first.id);
  });
});
