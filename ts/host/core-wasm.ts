// Where the bytes of core.wasm come from: the file in the package. In a browser: core-wasm.browser.ts.

import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

/** The same file from build/host/ and, in tests, from ts/host/. */
const CORE_WASM = new URL('../../build/core.wasm', import.meta.url)

/** What to say when the two below throw, or give what is no module. */
export const NO_CORE_WASM = `cannot load ${fileURLToPath(CORE_WASM)}; was the package built?`

/** The bytes at once; null where they can only be fetched. */
export function readCoreWasm(): Uint8Array | null {
  return readFileSync(CORE_WASM)
}

/** The bytes, where `readCoreWasm` has none. */
export async function fetchCoreWasm(): Promise<Uint8Array> {
  return readFileSync(CORE_WASM)
}
