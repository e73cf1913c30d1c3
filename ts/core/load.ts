// Loads a core: chooses the backend, makes the memory, writes its layout into the header, and puts the
// object-level methods on top. The choice is made per core; nothing is global but the compiled module.

import { environmentVariable } from '../host/environment.js'
import { warn } from '../host/warning.js'
import type { MptcpCore, MptcpKernel } from './core.js'
import { coreError } from './error.js'
import { createJsKernel } from './js.js'
import { HEADER, HEADER_WORDS, layOut, MEMORY_MIN_BYTES } from './layout.js'
import { createCore } from './plain.js'
import {
  compiledModule,
  compileModule,
  compileModuleSync,
  createWasmKernel,
  fetchedModule,
  hasWasmSimd,
  PAGE_BYTES,
} from './wasm.js'

/** Which core to load; 'auto' is what the environment variable MPTCP_CORE says, or else the fastest. */
export type MptcpBackend = 'auto' | 'wasm' | 'js'

export interface MptcpCoreOptions {
  /**
   * 'wasm', 'js', or 'auto' (default): the value of the environment variable MPTCP_CORE if it is set,
   * else 'wasm' where the runtime has WebAssembly SIMD, else 'js'.
   */
  readonly backend?: MptcpBackend
  /**
   * Size of the core's memory in bytes, fixed for its life, rounded up to 64 KiB; from 1 MiB (default)
   * to 2 GiB less 64 KiB. All payload that a stack buffers lies in it.
   */
  readonly memoryBytes?: number
  /**
   * Connections that may have data under way at once, 416 bytes of that memory each: those that have none
   * take none. Default: one for each 32 KiB or so.
   */
  readonly maxActiveConnections?: number
  /** The bytes of core.wasm, where the file in the package cannot be had (a bundle, a browser). */
  readonly wasm?: ArrayBuffer | ArrayBufferView
}

/**
 * Loads a core with memory of its own. A browser fetches core.wasm from beside this module unless its
 * bytes are given.
 *
 * @throws {Error} (as a rejection) with code 'ERR_MPTCP_CORE' if the backend or MPTCP_CORE is not one of
 * 'auto', 'wasm' and 'js', or the WASM module cannot be loaded here.
 * @throws {RangeError} (as a rejection) if `memoryBytes` or `maxActiveConnections` is out of range.
 */
export async function loadMptcpCore(options: MptcpCoreOptions = {}): Promise<MptcpCore> {
  const { backend, wasm } = options
  if (chooseBackend(backend, environmentVariable('MPTCP_CORE')) === 'js') return open(null, options)
  return open(wasm ? await compileModule(wasm) : await fetchedModule(), options)
}

/**
 * As {@link loadMptcpCore}, at once: for Node, where compiling on the main thread is allowed. A browser
 * has no core.wasm at once: there 'wasm' needs its bytes, and without them 'auto' warns and means 'js'.
 */
export function loadMptcpCoreSync(options: MptcpCoreOptions = {}): MptcpCore {
  const { backend = 'auto', wasm } = options
  if (chooseBackend(backend, environmentVariable('MPTCP_CORE')) === 'js') return open(null, options)
  const module = wasm ? compileModuleSync(wasm) : compiledModule()
  if (module === null) {
    const error = coreError(
      'core.wasm cannot be read at once here; await loadMptcpCore(), or hand its bytes in as `wasm`',
    )
    if (backend === 'wasm') throw error
    warn(`${error.message}. Until then the core is the one in JavaScript`)
  }
  return open(module, options)
}

/** What `asked` means where the environment says `preset` and SIMD is there or not. */
export function chooseBackend(
  asked: MptcpBackend | undefined,
  preset: string | undefined,
  hasSimd: () => boolean = hasWasmSimd,
): 'wasm' | 'js' {
  const wanted = backendNamed(asked ?? 'auto', 'backend')
  const forced = backendNamed(preset || 'auto', 'MPTCP_CORE')
  const backend = wanted === 'auto' ? forced : wanted
  if (backend === 'auto') return hasSimd() ? 'wasm' : 'js'
  if (backend === 'wasm' && !hasSimd()) {
    throw coreError("this runtime has no WebAssembly SIMD: use 'js' or 'auto'")
  }
  return backend
}

function backendNamed(name: string, source: string): MptcpBackend {
  if (name === 'auto' || name === 'wasm' || name === 'js') return name
  throw coreError(`${source} must be 'auto', 'wasm' or 'js', not '${name}'`)
}

/** Over a module of WebAssembly; null = in JavaScript. */
function open(
  module: WebAssembly.Module | null,
  { memoryBytes = MEMORY_MIN_BYTES, maxActiveConnections }: MptcpCoreOptions,
): MptcpCore {
  const pages = Math.ceil(memoryBytes / PAGE_BYTES)
  const { words, memoryBytes: bytes } = layOut(pages * PAGE_BYTES, maxActiveConnections)
  let kernel: MptcpKernel
  let memory: ArrayBuffer
  if (module !== null) {
    ;({ kernel, memory } = createWasmKernel(module, bytes))
  } else {
    memory = new ArrayBuffer(bytes)
    kernel = createJsKernel(memory)
  }
  const header = new Uint32Array(memory, HEADER)
  for (const name of Object.keys(HEADER_WORDS) as (keyof typeof HEADER_WORDS)[]) {
    header[HEADER_WORDS[name]] = words[name]
  }
  kernel.mptcp_reset()
  return createCore(module === null ? 'js' : 'wasm', kernel, memory)
}
