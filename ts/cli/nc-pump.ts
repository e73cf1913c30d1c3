// Copies stdin to a connection and the connection to stdout, each as fast as the other side takes it,
// until both directions have ended.

import type { Duplex } from 'node:stream'
import { Failure, oneLine, STATUS_FAILED, usageError } from './failure.js'
import type { NcConnection } from './nc-transport.js'

/**
 * Our end waits this long for the subflows: Linux refuses a MP_JOIN once either side has sent its
 * DATA_FIN, and whoever only downloads has an empty stdin.
 */
const JOIN_MS = 1000
const STEP_MS = 5

/**
 * Resolves when both directions have ended. A further connection goes on with what is left of stdin,
 * and once that has ended has nothing to send.
 */
export async function pump(
  connection: NcConnection,
  stdin: NodeJS.ReadStream,
  stdout: NodeJS.WriteStream,
): Promise<void> {
  const { socket } = connection
  let timer: NodeJS.Timeout | undefined
  const endOfInput = (): void => {
    const deadline = performance.now() + JOIN_MS
    const tryToEnd = (): void => {
      if (socket.destroyed) return
      const isOver = connection.isJoined() || socket.readableEnded
      if (isOver || performance.now() >= deadline) socket.end()
      else timer = setTimeout(tryToEnd, STEP_MS)
    }
    tryToEnd()
  }
  let inputFailed: (error: Error) => void = () => {}
  try {
    await new Promise<void>((resolve, reject) => {
      inputFailed = (error) => reject(usageError(`cannot read standard input: ${oneLine(error)}`))
      // One of -k may have ended while it waited for its turn.
      if (socket.destroyed) {
        reject(lost(connection, socket.errored ?? new Error('it was closed')))
        return
      }
      stdin.once('error', inputFailed)
      socket.once('error', (error) => reject(lost(connection, error)))
      socket.once('close', resolve)
      socket.pipe(stdout, { end: false })
      if (stdin.readableEnded || stdin.destroyed) endOfInput()
      else {
        stdin.once('end', endOfInput)
        stdin.pipe(socket as Duplex, { end: false })
      }
    })
  } finally {
    clearTimeout(timer)
    stdin.off('error', inputFailed)
    stdin.off('end', endOfInput)
    stdin.unpipe(socket)
    socket.unpipe(stdout)
    stdin.pause()
  }
}

function lost(connection: NcConnection, error: NodeJS.ErrnoException): Failure {
  const { peer } = connection
  const { bytesSent, bytesReceived } = connection.report()
  const after = `after ${bytesSent} bytes sent and ${bytesReceived} received`
  switch (error.code) {
    case 'ECONNRESET':
      return new Failure(STATUS_FAILED, `${peer} reset the connection ${after}`)
    case 'ETIMEDOUT':
      return new Failure(STATUS_FAILED, `${peer} does not answer any more ${after}`)
    default:
      return new Failure(
        STATUS_FAILED,
        `the connection with ${peer} failed ${after}: ${oneLine(error)}`,
      )
  }
}
