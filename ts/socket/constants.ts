// The numbers of the socket API, as Linux has them: <sys/socket.h>, <netinet/tcp.h>, <linux/mptcp.h>,
// <errno.h>. AF_MULTIPATH has Darwin's number, which Linux gives to AF_NFC.

export const MPTCP_CONSTANTS = {
  AF_INET: 2,
  AF_INET6: 10,
  AF_MULTIPATH: 39,
  SOCK_STREAM: 1,
  SOCK_NONBLOCK: 0x800,
  SOCK_CLOEXEC: 0x80000,
  IPPROTO_TCP: 6,
  IPPROTO_IPV6: 41,
  IPPROTO_MPTCP: 262,
  SOL_SOCKET: 1,
  SOL_TCP: 6,
  SOL_MPTCP: 284,
  SO_REUSEADDR: 2,
  SO_TYPE: 3,
  SO_ERROR: 4,
  SO_SNDBUF: 7,
  SO_RCVBUF: 8,
  SO_LINGER: 13,
  SO_REUSEPORT: 15,
  SO_ACCEPTCONN: 30,
  SO_PROTOCOL: 38,
  SO_DOMAIN: 39,
  TCP_NODELAY: 1,
  TCP_MAXSEG: 2,
  TCP_CONGESTION: 13,
  TCP_IS_MPTCP: 43,
  IPV6_V6ONLY: 26,
  MPTCP_INFO: 1,
  SHUT_RD: 0,
  SHUT_WR: 1,
  SHUT_RDWR: 2,
  POLLIN: 0x001,
  POLLOUT: 0x004,
  POLLERR: 0x008,
  POLLHUP: 0x010,
  POLLRDHUP: 0x2000,
} as const

/** errno numbers; the socket calls answer with them negated. */
export const MPTCP_ERRNO = {
  EPERM: 1,
  EBADF: 9,
  EAGAIN: 11,
  ENOMEM: 12,
  EINVAL: 22,
  EPIPE: 32,
  ENOTSOCK: 88,
  ESOCKTNOSUPPORT: 94,
  EOPNOTSUPP: 95,
  ENOPROTOOPT: 92,
  EPROTONOSUPPORT: 93,
  EAFNOSUPPORT: 97,
  EADDRINUSE: 98,
  EADDRNOTAVAIL: 99,
  ENETUNREACH: 101,
  ECONNABORTED: 103,
  ECONNRESET: 104,
  ENOBUFS: 105,
  EISCONN: 106,
  ENOTCONN: 107,
  ETIMEDOUT: 110,
  ECONNREFUSED: 111,
  EHOSTUNREACH: 113,
  EALREADY: 114,
  EINPROGRESS: 115,
} as const

export type MptcpErrnoName = keyof typeof MPTCP_ERRNO

const NAMES = new Map<number, MptcpErrnoName>(
  Object.entries(MPTCP_ERRNO).map(([name, number]) => [number, name as MptcpErrnoName]),
)

/** The name of an errno, positive or negated: `ECONNREFUSED`. */
export function mptcpErrnoName(errno: number): string {
  return NAMES.get(Math.abs(errno)) ?? `errno ${Math.abs(errno)}`
}
