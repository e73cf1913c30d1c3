// Counters by the names that nstat writes: ours, and those of Linux's MPTCP MIB for which this stack has no
// such event, which stand at 0.

/** Of net/mptcp/mib.c in Linux 6.18. */
const NEVER_COUNTED = [
  'AddAddrTxDrop',
  'FallbackFailed',
  'MD5SigFallback',
  'MismatchPortAckRx',
  'RcvPruned',
  'RcvWndConflict',
  'RcvWndConflictUpdate',
  'RcvWndShared',
  'RmAddrTxDrop',
  'SimultConnectFallback',
]

/** MPTCP's counters bear no prefix here; nstat writes MPTcpExt before them. */
export function mibName(name: string): string {
  return /^(Ip|Icmp|Tcp)/.test(name) ? name : `MPTcpExt${name}`
}

/** What is told of them. */
export function uncounted(): Record<string, number> {
  return Object.fromEntries(NEVER_COUNTED.map((name) => [mibName(name), 0]))
}
