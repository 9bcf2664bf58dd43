// The records that the program on inet_sock_set_state writes, as bytes. A record is cut off after the part that
// its new state needs; all numbers are in the host's byte order unless noted.

/** Offsets of the fields in bytes. */
export const TcpStateRecord = {
  /** States before and after, as enum in include/net/tcp_states.h numbers them. */
  oldState: 0,
  newState: 1,
  /** IPPROTO_TCP or IPPROTO_MPTCP. */
  protocol: 2,
  /** Inode of the socket's network namespace. */
  namespace: 4,
  cookie: 8,
  /** Nanoseconds of CLOCK_MONOTONIC. */
  time: 16,
  /** Here a record of any other state ends. */
  stateBytes: 24,

  family: 24,
  localPort: 26,
  /** In network order. */
  remotePort: 28,
  /** Sixteen bytes each in network order; of IPv4 the first four. */
  local: 32,
  remote: 48,
  /** Inode of the socket's file; 0 where it has none (not yet accepted, or closed). */
  inode: 64,
  uid: 68,
  /** Here a record of ESTABLISHED ends. */
  tupleBytes: 72,

  // SYN_SENT and LISTEN: the process that called connect() or listen(). Its pid is 0 where the reader's pid namespace does
  // not number it.
  pid: 72,
  parentPid: 76,
  /** Inode of the cgroup's directory in the v2 hierarchy. */
  cgroup: 80,
  /** Start in nanoseconds since boot. */
  start: 88,
  mountNamespace: 96,
  /** Inode of the process's own network namespace. */
  processNamespace: 100,
  /** comm of the process, not of the thread. */
  name: 104,
  /** Owner of the process. */
  processUid: 120,
  callerBytes: 128,

  // CLOSE: the last figures.
  bytesAcked: 72,
  bytesReceived: 80,
  bytesSent: 88,
  bytesRetrans: 96,
  /** Eighths of a microsecond. */
  srtt: 104,
  totalRetrans: 108,
  /** sk_err: the errno that ended the connection; 0 where it was closed in order. */
  error: 112,
  /** skc_flags: bits of enum sock_flags. */
  flags: 116,
  segsIn: 120,
  /** 1 where the figures from bytesAcked on and sourcePort are filled. */
  counted: 124,
  /** The local port in network order: the socket has given it back by then, so that localPort is 0. */
  sourcePort: 126,
  closeBytes: 128,
} as const;

/** Bytes of comm. */
export const NAME_BYTES = 16;

/** SOCK_DONE of enum sock_flags: the other end's FIN was received. */
export const SOCK_DONE = 1 << 1;
