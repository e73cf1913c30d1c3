// The options of SOL_TCP.

import { SIPHASH_KEY_BYTES } from '../siphash.js'
import { CONGESTION_CONTROLS } from '../tcp/congestion/names.js'
import { FAST_OPEN_CLIENT } from '../tcp/fast-open.js'
import { MPTCP_CONSTANTS as C, MPTCP_ERRNO as E } from './constants.js'
import type { BsdSocket } from './descriptors.js'
import {
  type OptionTable,
  type OptionTarget,
  remembered,
  rememberedFlag,
  type SocketOption,
  TCP_ONLY,
  told,
} from './option-table.js'
import { tcpInfo } from './tcp-info.js'

/** Linux's TCP_MIN_MSS and MAX_TCP_WINDOW. */
const LEAST_SEGMENT = 88
const MOST_SEGMENT = 32_767
/** Linux's MAX_TCP_KEEPIDLE, _KEEPINTVL, _KEEPCNT and _SYNCNT. */
const MOST_KEEP_SECONDS = 32_767
const MOST_TRIES = 127
const MOST_INT = 2 ** 31 - 1
/** Linux's somaxconn. */
const MOST_FAST_OPENS = 4096

function number(
  which: 'keepIdleMs' | 'keepIntervalMs' | 'keepCount' | 'synRetries' | 'userTimeoutMs',
  limits: { least: number; most: number; unit: number },
): SocketOption {
  const { least, most, unit } = limits
  return {
    get: ({ socket }) => socket.settings.tcp[which] / unit,
    set: ({ socket }, value) => {
      if (!(value >= least && value <= most)) return -E.EINVAL
      socket.settings.tcp[which] = value * unit
      return 0
    },
  }
}

const SECONDS = { least: 1, most: MOST_KEEP_SECONDS, unit: 1000 }
const TRIES = { least: 1, most: MOST_TRIES, unit: 1 }

export const TCP_OPTIONS: OptionTable = new Map<number, SocketOption>([
  [
    C.TCP_NODELAY,
    {
      get: ({ socket }) => (socket.settings.noDelay ? 1 : 0),
      set: (target, value) => {
        target.socket.settings.noDelay = value !== 0
        if (value !== 0) push(target)
        return 0
      },
    },
  ],
  [
    C.TCP_CORK,
    {
      get: ({ socket }) => (socket.settings.cork ? 1 : 0),
      set: (target, value) => {
        target.socket.settings.cork = value !== 0
        if (value === 0) push(target)
        return 0
      },
    },
  ],
  [C.TCP_FASTOPEN, { get: ({ socket }) => socket.settings.fastOpen.queue, set: setFastOpenQueue }],
  [
    C.TCP_FASTOPEN_CONNECT,
    {
      get: ({ socket }) => (socket.settings.fastOpen.connect ? 1 : 0),
      set: ({ stack, socket }, value) => {
        if (value !== 0 && value !== 1) return -E.EINVAL
        if ((stack.config.fastOpen & FAST_OPEN_CLIENT) === 0) return -E.EOPNOTSUPP
        if (socket.state !== 'new') return -E.EINVAL
        socket.settings.fastOpen.connect = value === 1
        return 0
      },
    },
  ],
  [
    C.TCP_FASTOPEN_NO_COOKIE,
    {
      get: ({ socket }) => (socket.settings.fastOpen.noCookie ? 1 : 0),
      set: ({ socket }, value) => {
        if ((value !== 0 && value !== 1) || !isUnconnected(socket)) return -E.EINVAL
        socket.settings.fastOpen.noCookie = value === 1
        return 0
      },
    },
  ],
  [C.TCP_FASTOPEN_KEY, { get: fastOpenKey, setText: setFastOpenKey, set: () => -E.EINVAL }],
  [C.TCP_MAXSEG, { get: maximumSegment, set: setMaximumSegment }],
  [C.TCP_KEEPIDLE, number('keepIdleMs', SECONDS)],
  [C.TCP_KEEPINTVL, number('keepIntervalMs', SECONDS)],
  [C.TCP_KEEPCNT, number('keepCount', TRIES)],
  [C.TCP_SYNCNT, { ...number('synRetries', TRIES), multipath: TCP_ONLY }],
  [
    C.TCP_USER_TIMEOUT,
    { ...number('userTimeoutMs', { least: 0, most: MOST_INT, unit: 1 }), multipath: TCP_ONLY },
  ],
  [C.TCP_CONGESTION, { get: congestionName, setText: setCongestion, set: () => -E.EINVAL }],
  [
    C.TCP_NOTSENT_LOWAT,
    {
      get: ({ socket }) => socket.settings.notSentLowWater,
      set: ({ socket }, value) => {
        socket.settings.notSentLowWater = value >>> 0
        return 0
      },
    },
  ],
  [
    C.TCP_INQ,
    {
      get: ({ socket }) => (socket.settings.tellsInQueue ? 1 : 0),
      set: ({ socket }, value) => {
        if (value !== 0 && value !== 1) return -E.EINVAL
        socket.settings.tellsInQueue = value === 1
        return 0
      },
    },
  ],
  [
    C.TCP_QUICKACK,
    {
      get: ({ socket }) => ((socket.connection?.subflows[0]?.tcb.ack.quick ?? 0) > 0 ? 1 : 0),
      set: setQuickAck,
      multipath: TCP_ONLY,
    },
  ],
  [
    C.TCP_INFO,
    told(({ stack, socket }) => tcpInfo(socket.connection?.subflows[0] ?? null, stack.clock.now())),
  ],
  [C.TCP_IS_MPTCP, told(isMultipath)],
  // A hint: a connection is given to accept() when it is established, data or not.
  [C.TCP_DEFER_ACCEPT, remembered(0, 0, MOST_INT)],
  [C.TCP_LINGER2, { ...remembered(60, -1, MOST_INT), multipath: TCP_ONLY }],
  [C.TCP_THIN_LINEAR_TIMEOUTS, { ...rememberedFlag(), multipath: TCP_ONLY }],
  [C.TCP_THIN_DUPACK, { ...rememberedFlag(), multipath: TCP_ONLY }],
])

/** What a cork held goes now. */
function push({ stack, socket }: OptionTarget): void {
  if (socket.connection !== null) stack.calls.push(socket.connection)
}

function maximumSegment({ socket }: OptionTarget): number {
  const { maxSegment } = socket.settings.tcp
  const tcb = socket.connection?.subflows[0]?.tcb
  if (tcb === undefined) return maxSegment || 536
  return tcb.snd.mss
}

function setMaximumSegment({ socket }: OptionTarget, value: number): number {
  if (value !== 0 && !(value >= LEAST_SEGMENT && value <= MOST_SEGMENT)) return -E.EINVAL
  socket.settings.tcp.maxSegment = value
  return 0
}

function setQuickAck({ stack, socket }: OptionTarget, value: number): number {
  if (socket.connection !== null) stack.calls.setQuickAcks(socket.connection, value !== 0)
  return 0
}

function isMultipath({ socket }: OptionTarget): number {
  const { connection } = socket
  if (connection === null) return socket.protocol === C.IPPROTO_MPTCP ? 1 : 0
  return connection.mode === 'fallback' ? 0 : 1
}

// ------------------------------------------------------------------ congestion control

function congestionName({ stack, socket }: OptionTarget): string {
  const { connection, settings } = socket
  if (connection !== null) return connection.congestion.algorithm.name
  return (settings.tcp.congestion ?? stack.config.congestion).name
}

/** The stack's own, and those that come with it. */
function setCongestion({ stack, socket }: OptionTarget, value: string): number {
  const own = stack.config.congestion
  const algorithm = value === own.name ? own : CONGESTION_CONTROLS.get(value)
  if (algorithm === undefined) return -E.ENOENT
  const { connection, settings } = socket
  settings.tcp.congestion = algorithm
  if (connection !== null) stack.calls.setCongestion(connection, algorithm)
  return 0
}

function isUnconnected({ state }: BsdSocket): boolean {
  return state === 'new' || state === 'listening'
}

function setFastOpenQueue({ socket }: OptionTarget, value: number): number {
  if (!(value >= 0) || !isUnconnected(socket)) return -E.EINVAL
  socket.settings.fastOpen.queue = Math.min(value, MOST_FAST_OPENS)
  return 0
}

/** The bytes of a key stand in a text, one a character. */
function fastOpenKey({ stack, socket }: OptionTarget): string {
  const key = socket.settings.fastOpen.key ?? stack.config.fastOpenKey ?? new Uint8Array(0)
  return String.fromCharCode(...key)
}

/** 16 bytes, and 16 more of a backup. */
function setFastOpenKey({ socket }: OptionTarget, value: string): number {
  const key = Uint8Array.from({ length: value.length }, (_, i) => value.charCodeAt(i))
  if (key.length !== SIPHASH_KEY_BYTES && key.length !== 2 * SIPHASH_KEY_BYTES) return -E.EINVAL
  socket.settings.fastOpen.key = key
  return 0
}
