// The options of SOL_IP and SOL_IPV6: those that say what the headers of the segments bear, and those
// about binding.

import type { TcpSettings } from '../tcp/settings.js'
import { DEFAULT_TTL } from '../wire/ip.js'
import { MPTCP_CONSTANTS as C, MPTCP_ERRNO as E } from './constants.js'
import {
  IP_OF_TCP_ONLY,
  type OptionTable,
  type OptionTarget,
  remembered,
  rememberedFlag,
  type SocketOption,
} from './option-table.js'
import { isTooLate } from './options-socket.js'

/** The two low bits are ECN's: TCP's own. */
const DSCP = 0xfc

function headerByte(
  which: 'tos' | 'trafficClass',
  isRight: (value: number) => boolean,
): SocketOption {
  return {
    get: ({ socket }) => socket.settings.tcp[which],
    set: ({ socket }, value) => {
      if (!isRight(value)) return -E.EINVAL
      socket.settings.tcp[which] = Math.max(0, value) & DSCP
      return 0
    },
  }
}

/** -1 = back to the default. */
function hops(which: 'ttl' | 'hopLimit', least: number): SocketOption {
  return {
    get: ({ socket }) => effectiveHops(socket.settings.tcp, which),
    set: ({ socket }, value) => {
      if (value !== -1 && !(value >= least && value <= 255)) return -E.EINVAL
      socket.settings.tcp[which] = value
      return 0
    },
  }
}

function effectiveHops(settings: TcpSettings, which: 'ttl' | 'hopLimit'): number {
  return settings[which] < 0 ? DEFAULT_TTL : settings[which]
}

/** FREEBIND and TRANSPARENT: an address that is not ours may be bound. */
const FOREIGN: SocketOption = {
  get: ({ socket }) => (socket.settings.foreignAddress ? 1 : 0),
  set: ({ socket }, value) => {
    if (isTooLate({ socket })) return -E.EINVAL
    socket.settings.foreignAddress = value !== 0
    return 0
  },
}

/** The MTU of the path, once there is one. */
const PATH_MTU: SocketOption = {
  get: ({ socket }) => {
    const initial = socket.connection?.subflows[0]
    if (initial === undefined) return -E.ENOTCONN
    return initial.path.mss + (initial.path.address.family === 4 ? 40 : 60)
  },
  multipath: IP_OF_TCP_ONLY,
}

const PMTUDISC_PROBE = 3
const REMEMBERED_DISCOVERY = remembered(1, 0, PMTUDISC_PROBE)
/** WANT, DO and PROBE set DF; DONT lets routers fragment. */
const MTU_DISCOVER: SocketOption = {
  ...REMEMBERED_DISCOVERY,
  set: (target, value) => {
    const refusal = REMEMBERED_DISCOVERY.set?.(target, value) ?? 0
    if (refusal === 0) target.socket.settings.tcp.mayFragment = value === 0
    return refusal
  },
  multipath: IP_OF_TCP_ONLY,
}
/** Remembered only: no ICMP error comes to the error queue. */
const RECEIVE_ERRORS: SocketOption = { ...rememberedFlag(), multipath: IP_OF_TCP_ONLY }

export const IP_OPTIONS: OptionTable = new Map<number, SocketOption>([
  [C.IP_TOS, headerByte('tos', () => true)],
  // Deviates: from Linux 6.18, whose MPTCP socket refuses it; later ones take it.
  [C.IP_TTL, hops('ttl', 1)],
  [C.IP_FREEBIND, FOREIGN],
  [C.IP_TRANSPARENT, FOREIGN],
  [
    C.IP_BIND_ADDRESS_NO_PORT,
    {
      get: ({ socket }) => (socket.settings.bindNoPort ? 1 : 0),
      set: ({ socket }, value) => {
        if (isTooLate({ socket })) return -E.EINVAL
        socket.settings.bindNoPort = value !== 0
        return 0
      },
    },
  ],
  [C.IP_LOCAL_PORT_RANGE, { get: portRange, set: setPortRange }],
  [C.IP_MTU, PATH_MTU],
  [C.IP_MTU_DISCOVER, MTU_DISCOVER],
  [C.IP_RECVERR, RECEIVE_ERRORS],
])

/** The first port in the low half, the last in the high half; 0 = the stack's own. */
function portRange({ socket }: OptionTarget): number {
  const [first, last] = socket.settings.portRange
  return (last * 65_536 + first) >>> 0
}

function setPortRange({ socket }: OptionTarget, value: number): number {
  if (isTooLate({ socket })) return -E.EINVAL
  const first = value & 0xffff
  const last = value >>> 16
  if (first !== 0 && last !== 0 && first > last) return -E.EINVAL
  socket.settings.portRange = [first, last]
  return 0
}

export const IPV6_OPTIONS: OptionTable = new Map<number, SocketOption>([
  [
    C.IPV6_V6ONLY,
    {
      get: ({ socket }) => (socket.settings.v6Only ? 1 : 0),
      set: ({ socket }, value) => {
        if (socket.state !== 'new') return -E.EINVAL
        socket.settings.v6Only = value !== 0
        return 0
      },
    },
  ],
  // Deviates: as IP_TTL.
  [C.IPV6_UNICAST_HOPS, hops('hopLimit', 0)],
  [
    C.IPV6_TCLASS,
    {
      ...headerByte('trafficClass', (value) => value >= -1 && value <= 255),
      multipath: IP_OF_TCP_ONLY,
    },
  ],
  [C.IPV6_TRANSPARENT, FOREIGN],
  [C.IPV6_FREEBIND, FOREIGN],
  [C.IPV6_MTU, PATH_MTU],
  [C.IPV6_MTU_DISCOVER, MTU_DISCOVER],
  [C.IPV6_RECVERR, RECEIVE_ERRORS],
])
