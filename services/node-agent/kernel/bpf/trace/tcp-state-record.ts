// The records that the program on inet_sock_set_state writes, as bytes. A record is cut off after the part
// that its new state needs; all numbers are in the host's byte order unless noted.

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
  /** Cookie of the namespace, which unlike its inode is never used again; 0 if the kernel gives it none. */
  namespaceCookie: 24,
  /** Here a record of any other state ends. */
  stateBytes: 32,

  family: 32,
  localPort: 34,
  /** In network order. */
  remotePort: 36,
  /** Sixteen bytes each in network order; of IPv4 the first four. */
  local: 40,
  remote: 56,
  /** Inode of the socket's file; 0 if it has none (not yet accepted, or closed). */
  inode: 72,
  uid: 76,
  /** Here a record of ESTABLISHED ends. */
  tupleBytes: 80,

  // SYN_SENT and LISTEN: the process that called connect() or listen(). Its pid is 0 where the reader's pid
  // namespace does not number it.
  pid: 80,
  parentPid: 84,
  /** Inode of the cgroup's directory in the v2 hierarchy. */
  cgroup: 88,
  /** Start in nanoseconds since boot. */
  start: 96,
  mountNamespace: 104,
  /** Inode of the process's own network namespace. */
  processNamespace: 108,
  /** comm of the process, not of the thread. */
  name: 112,
  /** Owner of the process. */
  processUid: 128,
  callerBytes: 136,

  // CLOSE: the last figures.
  bytesAcked: 80,
  bytesReceived: 88,
  bytesSent: 96,
  bytesRetrans: 104,
  /** Eighths of a microsecond. */
  srtt: 112,
  totalRetrans: 116,
  /** sk_err: the errno that ended the connection; 0 where it was closed in order. */
  error: 120,
  /** skc_flags: bits of enum sock_flags. */
  flags: 124,
  segsIn: 128,
  /** 1 where the figures from bytesAcked on and sourcePort are filled. */
  counted: 132,
  /** The local port in network order: the socket has given it back by then, so that localPort is 0. */
  sourcePort: 134,
  closeBytes: 136,
} as const;

/** Bytes of comm. */
export const NAME_BYTES = 16;

/** SOCK_DONE of enum sock_flags: the other end's FIN was received. */
export const SOCK_DONE = 1 << 1;
