// What a comparison of two packets is given, and how it says that one thing differs.

import type { TcpPacket } from '../language/ast.js'
import type { Bindings } from './bindings.js'
import type { WirePacket } from './decode.js'
import type { Flow } from './flows.js'

export interface Comparison {
  readonly expected: TcpPacket
  readonly actual: TcpPacket
  readonly wire: WirePacket
  readonly flow: Flow
  readonly bindings: Bindings
  /** Microseconds: how far a TS val may be off, and what one tick of it is; tick 0 = not checked. */
  readonly tsToleranceUsecs: number
  readonly tsTickUsecs: number
}

/** In a few words; null = they are the same. */
export function differs(
  what: string,
  expected: number | bigint | string | boolean | null,
  actual: number | bigint | string | boolean | null,
): string | null {
  return expected === actual ? null : `${what}: expected ${expected}, actual ${actual}`
}
