// Node's own hashes, for what scripts expect of keys.

import { createHash, createHmac } from 'node:crypto'
import type { Hashes } from '../packets/keys.js'

export const NODE_HASHES: Hashes = {
  sha1: (message) => createHash('sha1').update(message).digest(),
  sha256: (message) => createHash('sha256').update(message).digest(),
  hmacSha256: (key, message) => createHmac('sha256', key).update(message).digest(),
}
