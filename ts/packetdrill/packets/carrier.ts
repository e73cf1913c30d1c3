// What is encoded, with what its options need to know: the packet that carries them, its flow, and what the
// names in them stand for.

import type { TcpPacket } from '../language/ast.js'
import type { Bindings } from './bindings.js'
import type { Flow } from './flows.js'

export interface Carrier {
  readonly packet: TcpPacket
  readonly flow: Flow
  readonly bindings: Bindings
  /** A TS ecr that echoes no TS val of the script's is placed relative to the first TS val seen. */
  readonly tsEcrScaled: boolean
}
