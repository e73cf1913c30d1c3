// The WebAssembly core: compiles core.wasm once a process and instantiates it over a memory that
// the host makes, so that its size is fixed (growing would detach every view of it).

import { instantiateSync } from '@assemblyscript/loader'
import { fetchCoreWasm, NO_CORE_WASM, readCoreWasm } from '../host/core-wasm.js'
import type { MptcpKernel } from './core.js'
import { coreError } from './error.js'

export const PAGE_BYTES = 65536

let compiled: WebAssembly.Module | null = null

/**
 * () -> v128: i32.const 0, i8x16.splat, i8x16.popcnt. Valid where the final SIMD instruction set is
 * (WebAssembly 2.0 §4.4.3 names the instructions).
 */
// biome-ignore format: a section of the module a line
const SIMD_PROBE = Uint8Array.of(
  0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00,
  0x01, 0x05, 0x01, 0x60, 0x00, 0x01, 0x7b,
  0x03, 0x02, 0x01, 0x00,
  0x0a, 0x0a, 0x01, 0x08, 0x00, 0x41, 0x00, 0xfd, 0x0f, 0xfd, 0x62, 0x0b,
)

/** Whether this runtime and CPU have WebAssembly SIMD (node --jitless has no WebAssembly at all). */
export function hasWasmSimd(): boolean {
  return typeof WebAssembly === 'object' && WebAssembly.validate(SIMD_PROBE)
}

/** The package's own module; null where its bytes cannot be read at once, but only fetched. */
export function compiledModule(): WebAssembly.Module | null {
  try {
    const bytes = compiled === null ? readCoreWasm() : null
    if (bytes !== null) compiled = new WebAssembly.Module(bytes)
  } catch (cause) {
    throw coreError(NO_CORE_WASM, cause)
  }
  return compiled
}

/** The package's own module, fetched if it cannot be read. */
export async function fetchedModule(): Promise<WebAssembly.Module> {
  if (compiledModule() === null) {
    try {
      compiled = await WebAssembly.compile(await fetchCoreWasm())
    } catch (cause) {
      throw coreError(NO_CORE_WASM, cause)
    }
  }
  return compiled!
}

/** A module of the host's own bytes, where the package's file is out of reach (a bundle). */
export async function compileModule(bytes: WebAssembly.Bytes): Promise<WebAssembly.Module> {
  return await WebAssembly.compile(bytes).catch(refuseBytes)
}

export function compileModuleSync(bytes: WebAssembly.Bytes): WebAssembly.Module {
  try {
    return new WebAssembly.Module(bytes)
  } catch (cause) {
    return refuseBytes(cause)
  }
}

function refuseBytes(cause: unknown): never {
  throw coreError('the bytes given as `wasm` are not the module of this package', cause)
}

/** Instantiates a module over `memoryBytes` of fresh memory, a multiple of PAGE_BYTES. */
export function createWasmKernel(
  module: WebAssembly.Module,
  memoryBytes: number,
): { kernel: MptcpKernel; memory: ArrayBuffer } {
  const pages = memoryBytes / PAGE_BYTES
  const memory = new WebAssembly.Memory({ initial: pages, maximum: pages })
  const { instance } = instantiateSync(module, { env: { memory } })
  // Measured: the raw exports, 5 ns a call; those of the loader are wrappers, 19 ns.
  const kernel = instance.exports as unknown as MptcpKernel
  return { kernel, memory: memory.buffer }
}
