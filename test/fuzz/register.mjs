// `node --import ./test/fuzz/register.mjs FILE.ts`: TypeScript that counts the blocks that it runs.

import { register } from 'node:module'

/** Room for each block of ts/ several times over: each worker thread numbers them anew. */
const MAX_BLOCKS = 1 << 18
// Clamped: a block that ran 256 times did not run 0 times.
globalThis.mptcpBlocks = new Uint8ClampedArray(MAX_BLOCKS)
globalThis.mptcpBlockCount = 0

register('./counting-loader.mjs', import.meta.url)
