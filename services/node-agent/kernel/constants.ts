// Constants of the kernel's interface that several files need, grouped by the header that defines them. A
// constant that only one file needs is defined in that file.

// include/linux/socket.h: address families.
export const AF_UNIX = 1;
export const AF_INET = 2;
export const AF_INET6 = 10;
export const AF_NETLINK = 16;
export const AF_PACKET = 17;

// include/linux/net.h: socket types and their flags.
export const SOCK_STREAM = 1;
export const SOCK_RAW = 3;
export const SOCK_CLOEXEC = 0o2000000;

// include/uapi/linux/in.h. An MPTCP socket carries TCP; IANA's numbers are in lib/vocabulary/protocols.ts.
export const IPPROTO_MPTCP = 262;

// include/uapi/asm-generic/socket.h: x86, arm64, riscv, ppc64le and s390x share these numbers.
export const SOL_SOCKET = 1;
export const SO_RCVBUF = 8;
export const SO_RCVTIMEO = 20;
export const SO_RCVBUFFORCE = 33;

// include/uapi/asm-generic/errno-base.h and errno.h.
export const EPERM = 1;
export const ENOENT = 2;
export const EINTR = 4;
export const EAGAIN = 11;
export const EACCES = 13;
export const EINVAL = 22;
/** Also used here for a malformed message. */
export const EBADMSG = 74;
export const EPROTONOSUPPORT = 93;
export const EAFNOSUPPORT = 97;
export const ECONNRESET = 104;
export const ENOBUFS = 105;
export const ECONNREFUSED = 111;

// include/uapi/linux/netlink.h: protocols, flags of messages, the type of an attribute without its flags
// (NLA_F_NESTED, NLA_F_NET_BYTEORDER).
export const NETLINK_ROUTE = 0;
export const NETLINK_SOCK_DIAG = 4;
export const NETLINK_NETFILTER = 12;
export const NLM_F_REQUEST = 1;
export const NLM_F_DUMP = 0x300;
export const NLM_F_DUMP_INTR = 0x10;
export const NLA_TYPE_MASK = 0x3fff;
/** struct nlmsghdr. */
export const NLMSG_HDR_BYTES = 16;

// include/uapi/linux/sock_diag.h: the request type, and an index into the words of *_DIAG_MEMINFO.
export const SOCK_DIAG_BY_FAMILY = 20;
export const SK_MEMINFO_DROPS = 8;

// include/uapi/linux/inet_diag.h.
export const INET_DIAG_INFO = 2;
/** struct inet_diag_msg. */
export const INET_DIAG_MSG_BYTES = 72;

// include/uapi/linux/netfilter/nfnetlink.h: struct nfgenmsg (family, version, resource id).
export const NFGENMSG_BYTES = 4;

/** The timer in /proc/net/tcp and inet_diag (get_tcp4_sock() of net/ipv4/tcp_ipv4.c). */

/** Maximum processes of a node: the kernel's pid_max (include/linux/threads.h, PID_MAX_LIMIT). */
export const PIDS_MAX = 2 ** 22;
