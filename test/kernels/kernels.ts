// Which tests run on which kernels: tests of code that depends on the kernel's version. They run emulated, 5
// to 10 times slower than here, so their deadlines must allow for that.

/** Tests of conntrack: events, dumps, translations, missing features. */
export const conntrackTests: readonly string[] = [
  // First, since it needs a kernel on which nothing has used conntrack yet.
  "services/node-agent/conntrack/no-conntrack.test.ts",
  "services/node-agent/conntrack/flow-source.test.ts",
  "services/node-agent/conntrack/nat.test.ts",
  "services/node-agent/conntrack/node-flows.test.ts",
];

/** Tests of the socket readers. */
export const readerTests: readonly string[] = [
  "services/node-agent/readers/agreement.test.ts",
  "services/node-agent/readers/fallback.test.ts",
  "services/node-agent/readers/bpf-iter.test.ts",
  "services/node-agent/kernel/bpf/socket-digest.test.ts",
  "services/node-agent/still-pass.test.ts",
];

/** Tests of events: what the agent reports on this kernel, or its reason for not hearing any. */
export const eventTests: readonly string[] = ["services/node-agent/heard/this-kernel.test.ts"];

/** A kernel to boot. */
export interface Kernel {
  /** Its Debian suite. */
  readonly suite: string;
  /** Appended to the kernel's command line; empty for none. */
  readonly parameters: string;
  /** Test files, from the project's directory. */
  readonly tests: readonly string[];
}

const everything = [...conntrackTests, ...readerTests, ...eventTests];
// For kernels between two that run everything: tests that read each table once, and the iterators, which
// depend on the kernel's BTF.
const between = [
  "services/node-agent/conntrack/no-conntrack.test.ts",
  "services/node-agent/conntrack/flow-source.test.ts",
  "services/node-agent/readers/agreement.test.ts",
  "services/node-agent/readers/bpf-iter.test.ts",
  "services/node-agent/kernel/bpf/socket-digest.test.ts",
  ...eventTests,
];
// Lockdown may forbid BPF, and with it some readers. For conntrack, one file shows that it is still loaded and
// read.
const lockedDown = ["services/node-agent/conntrack/no-conntrack.test.ts", ...readerTests, ...eventTests];

/** 5.10, 6.1, 6.12 and the newest, and three of them locked down as on Talos. */
export const kernels: readonly Kernel[] = [
  // 5.10 is too old for events: the agent says so.
  { suite: "bullseye", parameters: "", tests: everything },
  { suite: "bookworm", parameters: "", tests: everything },
  { suite: "sid", parameters: "", tests: everything },
  { suite: "trixie", parameters: "", tests: between },
  { suite: "bookworm", parameters: "lockdown=confidentiality", tests: lockedDown },
  // On the kernels between, lockdown matters to the program of the events alone.
  { suite: "trixie", parameters: "lockdown=confidentiality", tests: eventTests },
  { suite: "sid", parameters: "lockdown=confidentiality", tests: lockedDown },
];
