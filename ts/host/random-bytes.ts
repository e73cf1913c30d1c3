// The operating system's cryptographically strong source of bytes. In a browser: random-bytes.browser.ts.

import { randomFillSync } from 'node:crypto'

/** Overwrites all of `bytes`. */
export function fillRandomBytes(bytes: Uint8Array): void {
  randomFillSync(bytes)
}
