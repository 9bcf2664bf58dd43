// The layout of the records that the iterator over sockets writes.

/** Byte offsets of a record's fields. Numbers are in the host's order unless stated otherwise. */
export const SocketRecord = {
  /** Process and descriptor that refer to the socket: several records may describe one socket. */
  pid: 0,
  fd: 4,
  /** Inode of the network namespace. */
  namespace: 8,
  inode: 12,
  family: 16,
  state: 18,
  protocol: 20,
  localPort: 22,
  /** In network order. */
  remotePort: 24,
  type: 26,
  uid: 28,
  cookie: 32,
  /** Internet sockets only: sixteen bytes each in network order; IPv4 uses the first four. */
  local: 40,
  remote: 56,
  /** TCP sockets only, from here on. */
  rcvNxt: 72,
  copiedSeq: 76,
  writeSeq: 80,
  sndUna: 84,
  bytesAcked: 88,
  bytesReceived: 96,
  bytesSent: 104,
  bytesRetrans: 112,
  /** Eighths of a microsecond. */
  srtt: 120,
  totalRetrans: 124,
  ackBacklog: 128,
  retransmits: 132,
  /** 1 if the fields from rcvNxt on are filled. */
  counted: 133,
  /** ICSK_TIME_ of include/net/inet_connection_sock.h; 0 for none. */
  pending: 134,
  /** 1 if the keepalive timer runs. */
  keepalive: 135,
  /**
   * When the pending timer and the keepalive timer expire, and the current time: the low 32 bits of jiffies.
   */
  timeout: 136,
  keepaliveTimeout: 140,
  jiffies: 144,
  references: 148,
  /** Unix sockets only: inode of the peer; 0 if it has none or is not accepted yet. */
  peerInode: 152,
  bytes: 160,
} as const;
