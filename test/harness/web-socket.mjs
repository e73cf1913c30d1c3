// The little of WebSocket (RFC 6455) that an echo needs: the answer to a key, frames out and in.

import { createHash, randomBytes } from 'node:crypto'

const GUID = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11'
const FIN = 0x80
const MASKED = 0x80

/** Sec-WebSocket-Accept, §4.2.2. */
export const keyAnswer = (key) => createHash('sha1').update(`${key}${GUID}`).digest('base64')

/** One whole message in one frame, §5.2; a client masks. */
export function frameOf(opcode, payload, isMasked) {
  const { length } = payload
  const head = Buffer.alloc(length < 126 ? 2 : length < 65_536 ? 4 : 10)
  head[0] = FIN | opcode
  head[1] = (isMasked ? MASKED : 0) | (length < 126 ? length : length < 65_536 ? 126 : 127)
  if (head.length === 4) head.writeUInt16BE(length, 2)
  if (head.length === 10) head.writeBigUInt64BE(BigInt(length), 2)
  if (!isMasked) return Buffer.concat([head, payload])
  const mask = randomBytes(4)
  return Buffer.concat([head, mask, masked(payload, mask)])
}

function masked(payload, mask) {
  const out = Buffer.from(payload)
  for (let i = 0; i < out.length; i++) out[i] ^= mask[i & 3]
  return out
}

/** Takes pieces of a stream; `tell(opcode, payload)` is called for each frame that is whole. */
export function framesOf(tell) {
  let waiting = Buffer.alloc(0)
  return (piece) => {
    waiting = Buffer.concat([waiting, piece])
    for (;;) {
      const frame = firstFrame(waiting)
      if (frame === null) return
      waiting = waiting.subarray(frame.end)
      tell(frame.opcode, frame.payload)
    }
  }
}

function firstFrame(bytes) {
  if (bytes.length < 2) return null
  const short = bytes[1] & 0x7f
  let at = short === 126 ? 4 : short === 127 ? 10 : 2
  if (bytes.length < at) return null
  const length =
    short === 126 ? bytes.readUInt16BE(2) : short === 127 ? Number(bytes.readBigUInt64BE(2)) : short
  const isMasked = (bytes[1] & MASKED) !== 0
  const mask = isMasked ? bytes.subarray(at, at + 4) : null
  if (isMasked) at += 4
  if (bytes.length < at + length) return null
  const payload = bytes.subarray(at, at + length)
  const opcode = bytes[0] & 0x0f
  return { opcode, payload: mask === null ? payload : masked(payload, mask), end: at + length }
}
