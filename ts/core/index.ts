/**
 * `mptcp-wasm/core`: the accelerated module on its own. Checksums, SHA-256 and HMAC as Multipath TCP
 * needs them, and the memory and kernels that a stack is built on, in WebAssembly with SIMD or in
 * JavaScript with the same results.
 *
 * @example
 * const core = await loadMptcpCore({ backend: 'auto' })
 * const { token, idsn } = core.deriveKey(key)
 *
 * @module
 */

export type { CoalesceMode, MptcpCore, MptcpDerivedKey, MptcpKernel } from './core.js'
export {
  loadMptcpCore,
  loadMptcpCoreSync,
  type MptcpBackend,
  type MptcpCoreOptions,
} from './load.js'
