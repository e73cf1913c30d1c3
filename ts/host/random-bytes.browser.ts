// As random-bytes.ts, from the browser's Web Crypto.

/** The most that getRandomValues gives at once (Web Cryptography API §10.1.1). */
const MOST_AT_ONCE = 65_536

export function fillRandomBytes(bytes: Uint8Array): void {
  for (let at = 0; at < bytes.length; at += MOST_AT_ONCE) {
    crypto.getRandomValues(bytes.subarray(at, at + MOST_AT_ONCE))
  }
}
