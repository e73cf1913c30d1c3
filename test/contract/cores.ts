// The contract suite's harness: every behaviour runs over both cores, asked for by name, so that the
// environment variable MPTCP_CORE cannot take one of them out of a run.

import { describe } from 'vitest'
import type { MptcpCore } from '../../ts/core/core.js'
import { loadMptcpCoreSync } from '../../ts/core/load.js'

export const BACKENDS = ['wasm', 'js'] as const

/** Runs `suite` once for each backend, with a core of its own. */
export function forEachCore(suite: (core: MptcpCore) => void, memoryBytes?: number): void {
  describe.each(BACKENDS)('%s core', (backend) => {
    suite(loadMptcpCoreSync({ backend, ...(memoryBytes === undefined ? {} : { memoryBytes }) }))
  })
}

/** A fresh core of each backend, for tests that compare the two. */
export function bothCores(): { wasm: MptcpCore; js: MptcpCore } {
  return {
    wasm: loadMptcpCoreSync({ backend: 'wasm' }),
    js: loadMptcpCoreSync({ backend: 'js' }),
  }
}

export const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')
export const unhex = (text: string): Uint8Array =>
  Uint8Array.from(Buffer.from(text.replaceAll(' ', ''), 'hex'))
export const ascii = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text, 'latin1'))

/** The same bytes for the same seed (xorshift32), where fast-check would be slow. */
export function randomBytes(length: number, seed: number): Uint8Array {
  let state = seed >>> 0 || 1
  return Uint8Array.from({ length }, () => {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    return state & 0xff
  })
}
