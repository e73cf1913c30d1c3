// Keys, tokens and IDSNs, RFC 8684 §3.1: a key whose token no other connection of this host has.

import type { MptcpDerivedKey } from '../core/core.js'
import type { Context } from './context.js'

/** Keys tried before a connection goes without MPTCP: tokens are 32 bits, the table far smaller. */
const KEY_TRIES = 4

export interface LocalKey {
  key: Uint8Array
  derived: MptcpDerivedKey
}

/** A fresh key with a unique token; null if none was found (then the connection falls back). */
export function makeKey(context: Context): LocalKey | null {
  for (let i = 0; i < KEY_TRIES; i++) {
    const key = context.random.bytes(8)
    const derived = context.core.deriveKey(key)
    if (derived.token !== 0 && !context.tokens.has(derived.token)) return { key, derived }
  }
  context.counters.MPFallbackTokenInit++
  return null
}

/** A key that is given; null if its token is taken. */
export function takeKey(context: Context, key: Uint8Array): LocalKey | null {
  const derived = context.core.deriveKey(key)
  if (derived.token !== 0 && !context.tokens.has(derived.token)) return { key, derived }
  context.counters.MPFallbackTokenInit++
  return null
}

/** A 64-bit IDSN as two words. */
export function idsnWords(idsn: bigint): { high: number; low: number } {
  return { high: Number(idsn >> 32n), low: Number(idsn & 0xffffffffn) }
}

/** Equal, in a time that does not tell where they differ. */
export function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false
  let difference = 0
  for (let i = 0; i < a.length; i++) difference |= a[i] ^ b[i]
  return difference === 0
}
