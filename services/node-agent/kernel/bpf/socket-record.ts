// What the iterator over sockets tells of each, as bytes.

/** Where the fields of a record are, in bytes. Numbers are in the host's order unless told. */
export const SocketRecord = {
  /** Process and descriptor that refer to the socket: several records may be of one socket. */
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
  /** Sixteen bytes each in network order; of IPv4 the first four. Of internet sockets. */
  local: 40,
  remote: 56,
  /** From here on of TCP sockets. */
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
  /** 1 where the fields from rcvNxt on are told. */
  counted: 133,
  /** ICSK_TIME_ of include/net/inet_connection_sock.h; 0 for none. */
  pending: 134,
  /** 1 where the keepalive timer runs. */
  keepalive: 135,
  /** When the pending timer and the keepalive timer end, and what time it is: the low 32 bits of jiffies. */
  timeout: 136,
  keepaliveTimeout: 140,
  jiffies: 144,
  references: 148,
  /** Of unix sockets: inode of the other end; 0 where there is none, or none was accepted yet. */
  peerInode: 152,
  bytes: 160,
} as const;
