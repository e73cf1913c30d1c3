// The JavaScript core: the kernel over a plain ArrayBuffer, put together from the twins in js/. It is
// what runs where WebAssembly has no SIMD, and what the WASM core is tested against.

import type { MptcpKernel } from './core.js'
import { createChecksum } from './js/checksum.js'
import { createHmac } from './js/hmac.js'
import { createOfoQueue } from './js/ofo-queue.js'
import { createSegmentBuffers } from './js/segment-buffers.js'
import { createSha256 } from './js/sha256.js'

export function createJsKernel(memory: ArrayBuffer): MptcpKernel {
  const checksum = createChecksum(memory)
  const sha256 = createSha256(memory)
  const buffers = createSegmentBuffers(memory, checksum)
  return {
    ...checksum,
    ...sha256,
    ...createHmac(memory, sha256),
    ...buffers,
    ...createOfoQueue(memory, buffers),
  }
}
