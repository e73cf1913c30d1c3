// Node's own stream that JavaScript feeds: a handle below net.Socket, TLS, HTTP and HTTP/2 as good as one of libuv's.
// Node has it for TLS over a Duplex and publishes it nowhere, so that it is taken from there: TLSSocket's handle, and the
// stream below that (tried on Node 20, 22, 24 and 26).

import { createRequire } from 'node:module'
import { Duplex } from 'node:stream'

/** What Node wants of it, and what may be told through it. Calls answer 0, or a negated errno of the host. */
export interface JsStream {
  onreadstart: () => number
  onreadstop: () => number
  onwrite: (request: object, buffers: readonly Uint8Array[]) => number
  onshutdown: (request: object) => number
  isClosing: () => boolean
  /** Copies the bytes to whoever reads. */
  readBuffer(bytes: Uint8Array): void
  emitEOF(): void
  /** Never from within `onwrite` or `onshutdown`. `status`: 0, or a negated errno of the host. */
  finishWrite(request: object, status: number): void
  finishShutdown(request: object, status: number): void
}

type JsStreamClass = new () => JsStream

let known: JsStreamClass | null = null

export function createJsStream(): JsStream {
  known ??= find()
  return new known()
}

function find(): JsStreamClass {
  // Loaded when it is wanted: TLS takes 10 ms.
  const { TLSSocket } = createRequire(import.meta.url)('node:tls') as typeof import('node:tls')
  const carrier = new TLSSocket(
    new Duplex({ read: () => {}, write: (_chunk, _encoding, done) => done() }),
  )
  const { _handle } = carrier as unknown as { _handle?: { _parent?: JsStream } }
  const stream = _handle?._parent
  carrier.on('error', () => {})
  carrier.destroy()
  if (typeof stream?.readBuffer !== 'function') {
    throw new Error(`Node ${process.version} has no stream for JavaScript below TLS`)
  }
  return stream.constructor as JsStreamClass
}
