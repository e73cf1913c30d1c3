// MSG_ZEROCOPY, as Linux tells its end: each such write has a number, and once the peer has acknowledged its
// bytes, the error queue says so. Here they are copied all the same, as Linux does too where a device cannot
// do without; the notification says that it was.

import { MPTCP_CONSTANTS as C, MPTCP_ERRNO as E } from './constants.js'
import type { BsdSocket } from './descriptors.js'
import type { MptcpControlMessage, MptcpExtendedError, MptcpMessage } from './message.js'

/** Bounded: writes that an application has in flight so; one more is refused with ENOBUFS, as by Linux. */
const MOST_WRITES = 1024

/** Whether one more such write may be made. */
export function hasZeroCopyRoom({ zeroCopy }: BsdSocket): boolean {
  return zeroCopy === null || zeroCopy.ends.length < MOST_WRITES
}

/** A write with MSG_ZEROCOPY ended at `end`. */
export function noteZeroCopy(socket: BsdSocket, end: number): void {
  socket.zeroCopy ??= { next: 0, ends: [], told: -1, arrived: 0 }
  socket.zeroCopy.ends.push(end)
  socket.zeroCopy.next++
}

/** Notifications that have come so far: a number that only grows. */
export function zeroCopyArrivals({ zeroCopy, connection }: BsdSocket): number {
  if (zeroCopy === null) return 0
  if (connection === null || zeroCopy.ends.length === 0) return zeroCopy.arrived
  const { ends } = zeroCopy
  const isOver = connection.state === 'M_CLOSED'
  let count = 0
  while (count < ends.length && (isOver || ends[count]! <= connection.snd.una)) count++
  if (count > 0) {
    if (zeroCopy.told < 0) zeroCopy.told = zeroCopy.next - ends.length
    ends.splice(0, count)
    zeroCopy.arrived += count
  }
  return zeroCopy.arrived
}

/** Whether the error queue has something to tell. */
export function hasZeroCopyNews(socket: BsdSocket): boolean {
  zeroCopyArrivals(socket)
  return (socket.zeroCopy?.told ?? -1) >= 0
}

/** Reads the error queue: all that came since, as one range. */
export function readErrorQueue(socket: BsdSocket): MptcpMessage {
  const { zeroCopy } = socket
  if (zeroCopy === null || !hasZeroCopyNews(socket)) return { count: -E.EAGAIN, control: [] }
  const value: MptcpExtendedError = {
    ee_errno: 0,
    ee_origin: C.SO_EE_ORIGIN_ZEROCOPY,
    ee_type: 0,
    ee_code: C.SO_EE_CODE_ZEROCOPY_COPIED,
    ee_info: zeroCopy.told,
    ee_data: zeroCopy.next - zeroCopy.ends.length - 1,
  }
  zeroCopy.told = -1
  const four = socket.family !== C.AF_INET6
  const control: MptcpControlMessage[] = [
    {
      level: four ? C.SOL_IP : C.SOL_IPV6,
      type: four ? C.IP_RECVERR : C.IPV6_RECVERR,
      value,
    },
  ]
  return { count: 0, control }
}
