// getsockopt and setsockopt: which option is whose. A socket that is, or may become, multipath takes what
// Linux's MPTCP socket takes; one that fell back, or is plain TCP, what its TCP socket takes. What is not
// listed is refused with Linux's errno.

import type { Stack } from '../stack/stack.js'
import { MPTCP_CONSTANTS as C, MPTCP_ERRNO as E } from './constants.js'
import type { BsdSocket } from './descriptors.js'
import { type MptcpInfoRequest, multipathInfo } from './mptcp-info.js'
import type { OptionAnswer, OptionTable, OptionValue } from './option-table.js'
import { IP_OPTIONS, IPV6_OPTIONS } from './options-ip.js'
import { SOCKET_OPTIONS } from './options-socket.js'
import { TCP_OPTIONS } from './options-tcp.js'

const TABLES: Readonly<Record<number, OptionTable>> = {
  [C.SOL_SOCKET]: SOCKET_OPTIONS,
  [C.SOL_TCP]: TCP_OPTIONS,
  [C.SOL_IP]: IP_OPTIONS,
  [C.SOL_IPV6]: IPV6_OPTIONS,
}

/** Whether the rules of MPTCP's socket hold, not those of TCP's. */
function isMultipath(socket: BsdSocket): boolean {
  return socket.protocol === C.IPPROTO_MPTCP && socket.connection?.mode !== 'fallback'
}

function tableOf(socket: BsdSocket, level: number): OptionTable | undefined {
  if (level === C.SOL_IPV6 && socket.family === C.AF_INET) return undefined
  return Object.hasOwn(TABLES, level) ? TABLES[level] : undefined
}

export function getOption(
  stack: Stack,
  socket: BsdSocket,
  level: number,
  name: number,
  request?: MptcpInfoRequest,
): OptionAnswer {
  if (level === C.SOL_MPTCP) return multipathInfo(stack, socket, name, request)
  const option = tableOf(socket, level)?.get(name)
  const refusal = isMultipath(socket) ? option?.multipath?.get : undefined
  if (refusal !== undefined) return -refusal
  if (option?.get !== undefined) {
    return option.get({ stack, socket, key: keyOf(level, name) })
  }
  return isMultipath(socket) && level !== C.SOL_SOCKET ? -E.EOPNOTSUPP : -E.ENOPROTOOPT
}

export function setOption(
  stack: Stack,
  socket: BsdSocket,
  level: number,
  name: number,
  value: OptionValue,
): number {
  const option = tableOf(socket, level)?.get(name)
  const refusal = isMultipath(socket) ? option?.multipath?.set : undefined
  if (refusal !== undefined) return -refusal
  const target = { stack, socket, key: keyOf(level, name) }
  if (typeof value === 'string') {
    if (option?.setText !== undefined) return option.setText(target, value)
    if (option?.set !== undefined) return -E.EINVAL
  } else if (option?.set !== undefined) return option.set(target, value)
  return isMultipath(socket) && level === C.SOL_SOCKET ? -E.EOPNOTSUPP : -E.ENOPROTOOPT
}

function keyOf(level: number, name: number): number {
  return level * 65_536 + name
}
