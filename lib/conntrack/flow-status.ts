// The kernel's status of a flow.

/** Bits of a flow's status (include/uapi/linux/netfilter/nf_conntrack_common.h, enum ip_conntrack_status). */
export const FlowStatus = {
  expected: 1,
  seenReply: 1 << 1,
  assured: 1 << 2,
  confirmed: 1 << 3,
  sourceNat: 1 << 4,
  destinationNat: 1 << 5,
  dying: 1 << 9,
  offload: 1 << 14,
  hardwareOffload: 1 << 15,
} as const;
