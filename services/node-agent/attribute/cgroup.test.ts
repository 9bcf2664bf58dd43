import assert from "node:assert/strict";
import { describe, it } from "node:test";

import fc from "fast-check";

import { parseCgroup } from "./cgroup.ts";
import type { CgroupIdentity } from "./cgroup.ts";

const ID = "7b21e937d1d6e41aec6112a65f7aa838dc48a55ef4c249b6e7782d40d772a38d";
const OUTER = "e660b64b1a654c14d40e0bfbef80261776f455250f60dc8d339f0ed400254a87";
const UID = "8b724cf9-2e9e-4d6b-a99c-9066358cc760";
const UID_ = UID.replaceAll("-", "_");
const HASH = "0123456789abcdef0123456789abcdef";

const container: Partial<CgroupIdentity> = { containerId: ID };
const pod: Partial<CgroupIdentity> = { containerId: ID, podUid: UID };

const cases: readonly (readonly [what: string, text: string, expected: Partial<CgroupIdentity>])[] = [
  ["the root", "0::/\n", {}],
  ["kubelet, cgroupfs driver, cgroup v2", `0::/kubepods/burstable/pod${UID}/${ID}\n`, pod],
  ["kubelet, cgroupfs driver, guaranteed", `0::/kubepods/pod${UID}/${ID}\n`, pod],
  [
    "kubelet, cgroupfs driver, cgroup v1, as captured",
    `9:name=systemd:/kubepods/burstable/pod${UID}/${ID}\n4:memory:/kubepods/burstable/pod${UID}/${ID}\n1:cpu:/kubepods/burstable/pod${UID}/${ID}\n0::/kubepods/burstable/pod${UID}/${ID}\n`,
    pod,
  ],
  [
    "a node in a control group of its own, as captured",
    `0::/k8s-node2/kubepods/besteffort/pod${UID}/${ID}\n`,
    pod,
  ],
  [
    "kubelet, systemd driver, containerd",
    `0::/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod${UID_}.slice/cri-containerd-${ID}.scope\n`,
    pod,
  ],
  [
    "kubelet, systemd driver, guaranteed",
    `0::/kubepods.slice/kubepods-pod${UID_}.slice/cri-containerd-${ID}.scope\n`,
    pod,
  ],
  [
    "kubelet, systemd driver, CRI-O",
    `0::/kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-pod${UID_}.slice/crio-${ID}.scope\n`,
    pod,
  ],
  [
    "CRI-O with the container's own group below its scope",
    `0::/kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-pod${UID_}.slice/crio-${ID}.scope/container\n`,
    pod,
  ],
  ["CRI-O, cgroupfs driver", `0::/kubepods/besteffort/pod${UID}/crio-${ID}\n`, pod],
  [
    "CRI-O's monitor, which is in the pod's group but in no container",
    `0::/kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-pod${UID_}.slice/crio-conmon-${ID}.scope\n`,
    { podUid: UID },
  ],
  [
    "kubelet, systemd driver, Docker",
    `0::/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod${UID_}.slice/docker-${ID}.scope\n`,
    pod,
  ],
  [
    "containerd with systemd's names and the cgroupfs driver",
    `0::/system.slice/containerd.service/kubepods-burstable-pod${UID_}.slice:cri-containerd:${ID}\n`,
    pod,
  ],
  [
    "a static pod, whose uid is a hash",
    `0::/kubepods/burstable/pod${HASH}/${ID}\n`,
    { containerId: ID, podUid: HASH },
  ],
  [
    "a static pod, systemd driver",
    `0::/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod${HASH}.slice/cri-containerd-${ID}.scope\n`,
    { containerId: ID, podUid: HASH },
  ],
  [
    "kind, cgroup v2",
    `0::/docker/${OUTER}/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-burstable.slice/kubelet-kubepods-burstable-pod${UID_}.slice/cri-containerd-${ID}.scope\n`,
    pod,
  ],
  [
    "kind in Docker with the systemd driver",
    `0::/system.slice/docker-${OUTER}.scope/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-pod${UID_}.slice/cri-containerd-${ID}.scope\n`,
    pod,
  ],
  ["kind, cgroup v1", `5:devices:/docker/${OUTER}/kubelet/kubepods/besteffort/pod${UID}/${ID}\n`, pod],
  [
    "kind's own kubelet",
    `0::/docker/${ID}/kubelet.slice/kubelet.service\n`,
    { containerId: ID, unit: "kubelet.service" },
  ],
  [
    "a container that Docker runs within a pod's container",
    `0::/kubepods/burstable/pod${UID}/${ID}/docker/${OUTER}\n`,
    pod,
  ],
  ["Docker, cgroupfs driver", `0::/docker/${ID}\n`, container],
  ["Docker, systemd driver", `0::/system.slice/docker-${ID}.scope\n`, container],
  [
    "Docker without root",
    `0::/user.slice/user-1000.slice/user@1000.service/user.slice/docker-${ID}.scope\n`,
    container,
  ],
  ["Docker in Docker", `0::/docker/${OUTER}/docker/${ID}\n`, container],
  [
    "systemd in a container",
    `0::/docker/${ID}/system.slice/nginx.service\n`,
    { containerId: ID, unit: "nginx.service" },
  ],
  ["Podman", `0::/machine.slice/libpod-${ID}.scope/container\n`, container],
  ["Podman's monitor", `0::/machine.slice/libpod-conmon-${ID}.scope\n`, {}],
  ["Podman, cgroupfs driver", `0::/libpod_parent/libpod-${ID}\n`, container],
  [
    "a Podman pod, which is no Kubernetes one",
    `0::/machine.slice/machine-libpod_pod_${OUTER}.slice/libpod-${ID}.scope\n`,
    container,
  ],
  ["containerd without Kubernetes", `0::/default/${ID}\n`, container],
  ["nerdctl", `0::/system.slice/nerdctl-${ID}.scope\n`, container],
  ["a system service", "0::/system.slice/ssh.service\n", { unit: "ssh.service" }],
  [
    "a service instance",
    "0::/system.slice/system-getty.slice/getty@tty1.service\n",
    { unit: "getty@tty1.service" },
  ],
  [
    "a user's service",
    "0::/user.slice/user-1000.slice/user@1000.service/app.slice/foo.service\n",
    { unit: "foo.service" },
  ],
  ["a session", "0::/user.slice/user-1000.slice/session-3.scope\n", { unit: "session-3.scope" }],
  ["systemd itself", "0::/init.scope\n", { unit: "init.scope" }],
  [
    "a group below a service",
    "0::/system.slice/containerd.service/workers\n",
    { unit: "containerd.service" },
  ],
  ["a slice", "0::/user.slice\n", {}],
  [
    "systemd's hierarchy of cgroup v1",
    "4:memory:/system.slice\n1:name=systemd:/system.slice/cron.service\n0::/\n",
    { unit: "cron.service" },
  ],
  [
    "a container in one hierarchy and its runtime in another",
    `0::/system.slice/containerd.service\n4:memory:/kubepods/burstable/pod${UID}/${ID}\n`,
    pod,
  ],
  ["a group that was removed", `0::/docker/${ID} (deleted)\n`, container],
  ["another control group namespace", `0::/../../kubepods/burstable/pod${UID}/${ID}\n`, pod],
  ["a path with a colon", "0::/system.slice/a:b.service\n", { unit: "a:b.service" }],
  ["an id that is too short", `0::/docker/${ID.slice(1)}\n`, {}],
  ["an id that is too long", `0::/docker/${ID}0\n`, {}],
  ["a pod's group without a container", `0::/kubepods/burstable/pod${UID}\n`, { podUid: UID }],
  ["nothing", "", {}],
  ["words", "no cgroup at all\n1:x\n::\n", {}],
];

describe("cgroup", () => {
  for (const [what, text, expected] of cases) {
    it(`recognizes ${what}`, () => {
      assert.deepEqual(parseCgroup(text), { containerId: "", podUid: "", unit: "", ...expected });
    });
  }

  it("takes any text", () => {
    const segment = fc.constantFrom(
      "docker",
      ID,
      `pod${UID}`,
      "x.service",
      `crio-${ID}.scope`,
      "a:b",
      "",
      " (deleted)",
    );
    const path = fc.array(fc.oneof(segment, fc.string())).map((segments) => `0::/${segments.join("/")}\n`);
    fc.assert(
      fc.property(path, (text) =>
        Object.values(parseCgroup(text)).every((value) => typeof value === "string"),
      ),
    );
  });
});
