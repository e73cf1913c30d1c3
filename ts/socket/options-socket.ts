// The options of SOL_SOCKET.

import { MPTCP_CONSTANTS as C, MPTCP_ERRNO as E } from './constants.js'
import {
  IGNORED,
  IP_OF_TCP_ONLY,
  type OptionTable,
  type OptionTarget,
  remember,
  remembered,
  rememberedFlag,
  type SocketOption,
  told,
} from './option-table.js'

const MOST_INT = 2 ** 31 - 1
const LEAST_BUFFER = 4096

/** No device here that could be named. */
const NO_DEVICE: SocketOption = { set: () => -E.ENODEV }

/** Linux counts its own overhead with the payload, and so doubles what is set: what is told is twice it. */
function bufferOption(which: 'sendBuffer' | 'receiveBuffer'): SocketOption {
  return {
    get: ({ socket, key }) => socket.settings.remembered?.get(key) ?? socket.settings[which],
    set: ({ stack, socket, key }, value) => {
      // Never above the stack's own bound: each connection's quota was sized by it.
      const most =
        which === 'sendBuffer' ? stack.config.sendBufferBytes : stack.config.receiveBufferBytes
      socket.settings[which] = Math.min(Math.max(value, LEAST_BUFFER), most)
      remember(socket, key, 2 * socket.settings[which])
      return 0
    },
  }
}

/** Of the initial subflow's address, which a multipath socket cannot change any more. */
function reuse(which: 'reuseAddress' | 'reusePort'): SocketOption {
  return {
    get: ({ socket }) => (socket.settings[which] ? 1 : 0),
    set: ({ socket }, value) => {
      if (isTooLate({ socket })) return -E.EINVAL
      socket.settings[which] = value !== 0
      return 0
    },
  }
}

/** What only counts for the initial subflow of a multipath socket must be set before it exists. */
export function isTooLate({ socket }: Pick<OptionTarget, 'socket'>): boolean {
  const isOpen = socket.state !== 'new' && socket.state !== 'listening'
  return isOpen && socket.protocol === C.IPPROTO_MPTCP
}

export const SOCKET_OPTIONS: OptionTable = new Map<number, SocketOption>([
  [C.SO_TYPE, told(() => C.SOCK_STREAM)],
  [C.SO_PROTOCOL, told(({ socket }) => socket.protocol)],
  [C.SO_DOMAIN, told(({ socket }) => socket.family)],
  [C.SO_ACCEPTCONN, told(({ socket }) => (socket.listener === null ? 0 : 1))],
  [C.SO_COOKIE, told(({ socket }) => socket.fd)],
  [C.SO_SNDLOWAT, told(() => 1)],
  [C.SO_REUSEADDR, reuse('reuseAddress')],
  [C.SO_REUSEPORT, reuse('reusePort')],
  [C.SO_SNDBUF, bufferOption('sendBuffer')],
  [C.SO_RCVBUF, bufferOption('receiveBuffer')],
  // Linux's MPTCP has none.
  [C.SO_ZEROCOPY, { ...rememberedFlag(), multipath: IP_OF_TCP_ONLY }],
  [C.SO_SNDBUFFORCE, { set: bufferOption('sendBuffer').set }],
  [C.SO_RCVBUFFORCE, { set: bufferOption('receiveBuffer').set }],
  [
    C.SO_LINGER,
    {
      get: ({ socket }) => socket.settings.linger,
      set: ({ socket }, value) => {
        socket.settings.linger = value
        return 0
      },
    },
  ],
  [
    C.SO_KEEPALIVE,
    {
      get: ({ socket }) => (socket.settings.tcp.keepAlive ? 1 : 0),
      set: ({ socket }, value) => {
        socket.settings.tcp.keepAlive = value !== 0
        return 0
      },
    },
  ],
  [
    C.SO_RCVLOWAT,
    {
      get: ({ socket }) => socket.settings.receiveLowWater,
      set: ({ socket }, value) => {
        // As Linux: 0 is 1, and a negative number the largest.
        const wanted = value < 0 ? MOST_INT : Math.max(1, value)
        socket.settings.receiveLowWater = Math.min(wanted, socket.settings.receiveBuffer)
        return 0
      },
    },
  ],
  // The calls never block: whoever blocks over them may ask how long.
  [C.SO_RCVTIMEO, remembered(0, 0, MOST_INT)],
  [C.SO_SNDTIMEO, remembered(0, 0, MOST_INT)],
  [C.SO_PRIORITY, remembered(0, 0, MOST_INT)],
  [C.SO_MARK, remembered(0, 0, 2 ** 32 - 1)],
  [C.SO_INCOMING_CPU, remembered(-1, -1, MOST_INT)],
  [C.SO_BUSY_POLL, remembered(0, 0, MOST_INT)],
  [C.SO_BUSY_POLL_BUDGET, remembered(8, 0, 65_535)],
  [C.SO_PREFER_BUSY_POLL, rememberedFlag()],
  [C.SO_DEBUG, rememberedFlag()],
  // Urgent data is always in line here.
  [C.SO_OOBINLINE, { ...rememberedFlag(), multipath: { set: E.EOPNOTSUPP } }],
  [C.SO_BINDTODEVICE, { ...NO_DEVICE, get: () => '', setText: () => -E.ENODEV }],
  [C.SO_BINDTOIFINDEX, { ...NO_DEVICE, get: () => 0 }],
  ...[
    C.SO_DONTROUTE,
    C.SO_BROADCAST,
    C.SO_NO_CHECK,
    C.SO_BSDCOMPAT,
    C.SO_PASSCRED,
    C.SO_PASSSEC,
    C.SO_RXQ_OVFL,
    C.SO_WIFI_STATUS,
    C.SO_NOFCS,
    C.SO_SELECT_ERR_QUEUE,
  ].map((name): [number, SocketOption] => [name, IGNORED]),
])
