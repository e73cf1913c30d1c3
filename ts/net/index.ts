// `mptcp-wasm/net`: node:net, whose TCP sockets are MPTCP where the host has it. What is not about sockets of TCP is
// Node's own; so is all that the sockets do.

import { channel } from 'node:diagnostics_channel'
import net from 'node:net'
import { Server } from './server.js'
import { Socket } from './socket.js'

export type { KernelMptcpInfo as MptcpKernelInfo } from '../socket/kernel.js'
export {
  type MptcpProvider,
  type MptcpProviderName,
  provider as mptcpProvider,
} from './provider.js'
export { Server, Socket }
export const Stream = Socket

type Normalized = [options: net.TcpNetConnectOpts & { timeout?: number }, connected: unknown]
/** Node's own reading of the forms that connect() takes; exported by it for those who wrap it. */
const normalize = Reflect.get(net, '_normalizeArgs') as (given: readonly unknown[]) => Normalized

const clients = channel('net.client.socket')

/** As net.connect(), in all of its forms. */
export function connect(...given: Parameters<typeof net.connect>): Socket
export function connect(...given: unknown[]): Socket {
  const normalized = normalize(given)
  const [options] = normalized
  const socket = new Socket(options)
  if (clients.hasSubscribers) clients.publish({ socket })
  if (options.timeout) socket.setTimeout(options.timeout)
  const start = socket.connect as unknown as (normalized: Normalized) => Socket
  return start.call(socket, normalized)
}

export const createConnection = connect

/** As net.createServer(). */
export function createServer(
  options?: net.ServerOpts | ((socket: Socket) => void),
  listener?: (socket: Socket) => void,
): Server {
  return new Server(options, listener)
}

export const {
  BlockList,
  getDefaultAutoSelectFamily,
  getDefaultAutoSelectFamilyAttemptTimeout,
  isIP,
  isIPv4,
  isIPv6,
  setDefaultAutoSelectFamily,
  setDefaultAutoSelectFamilyAttemptTimeout,
  SocketAddress,
} = net

/** What `require('node:net')` gives, the names of its own that others have come to use included. */
export default { ...net, Socket, Stream, Server, connect, createConnection, createServer }
