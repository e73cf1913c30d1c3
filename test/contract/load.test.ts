import { readFileSync } from 'node:fs'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { loadMptcpCore, loadMptcpCoreSync } from '../../ts/core/index.js'
import { HEADER, HEADER_WORDS, layOut } from '../../ts/core/layout.js'
import { chooseBackend, type MptcpBackend } from '../../ts/core/load.js'
import { hasWasmSimd } from '../../ts/core/wasm.js'
import { BACKENDS } from './cores.js'

const MODULE = new URL('../../build/core.wasm', import.meta.url)
const withSimd = () => true
const withoutSimd = () => false
const refused = expect.objectContaining({ code: 'ERR_MPTCP_CORE' })

afterEach(() => {
  vi.unstubAllEnvs()
})

describe('choice of the backend', () => {
  it('takes WASM where there is SIMD and JavaScript where there is none', () => {
    expect(chooseBackend(undefined, undefined, withSimd)).toBe('wasm')
    expect(chooseBackend('auto', undefined, withSimd)).toBe('wasm')
    expect(chooseBackend('auto', undefined, withoutSimd)).toBe('js')
    expect(chooseBackend('auto', '', withSimd)).toBe('wasm')
    expect(chooseBackend('auto', 'auto', withoutSimd)).toBe('js')
  })

  it("lets MPTCP_CORE say what 'auto' means", () => {
    expect(chooseBackend('auto', 'js', withSimd)).toBe('js')
    expect(chooseBackend(undefined, 'wasm', withSimd)).toBe('wasm')
  })

  it('lets an explicit choice win over MPTCP_CORE', () => {
    expect(chooseBackend('wasm', 'js', withSimd)).toBe('wasm')
    expect(chooseBackend('js', 'wasm', withSimd)).toBe('js')
  })

  it('refuses WASM without SIMD, whoever asked for it', () => {
    for (const [asked, preset] of [
      ['wasm', undefined],
      ['auto', 'wasm'],
    ] as const) {
      expect(() => chooseBackend(asked, preset, withoutSimd)).toThrow(refused)
      expect(() => chooseBackend(asked, preset, withoutSimd)).toThrow(/no WebAssembly SIMD/)
    }
  })

  it('refuses an unknown name, from either source, by one error that names both', () => {
    expect(() => chooseBackend('rust' as MptcpBackend, undefined)).toThrow(refused)
    expect(() => chooseBackend('rust' as MptcpBackend, undefined)).toThrow(/backend .*'rust'/)
    expect(() => chooseBackend('auto', 'fast')).toThrow(/MPTCP_CORE .*'fast'/)
    expect(() => chooseBackend('js', 'fast')).toThrow(refused)
  })

  it('finds SIMD in this Node', () => {
    expect(hasWasmSimd()).toBe(true)
  })
})

describe('loading', () => {
  it('honours MPTCP_CORE and the option', async () => {
    vi.stubEnv('MPTCP_CORE', 'js')
    expect((await loadMptcpCore()).backend).toBe('js')
    expect((await loadMptcpCore({ backend: 'wasm' })).backend).toBe('wasm')
    expect(loadMptcpCoreSync().backend).toBe('js')
    vi.stubEnv('MPTCP_CORE', '')
    expect(loadMptcpCoreSync().backend).toBe('wasm')
    vi.stubEnv('MPTCP_CORE', 'none')
    expect(() => loadMptcpCoreSync()).toThrow(refused)
    await expect(loadMptcpCore()).rejects.toMatchObject({ code: 'ERR_MPTCP_CORE' })
  })

  it.each(BACKENDS)('%s: makes 1 MiB, or what was asked for in whole pages', (backend) => {
    expect(loadMptcpCoreSync({ backend }).memory.byteLength).toBe(1024 * 1024)
    const odd = loadMptcpCoreSync({ backend, memoryBytes: 3_000_001 })
    expect(odd.memory.byteLength).toBe(46 * 65536)
    expect(odd.u8.byteLength).toBe(46 * 65536)
    expect(odd.u32.buffer).toBe(odd.memory)
    expect(odd.f64.buffer).toBe(odd.memory)
  })

  it.each(BACKENDS)('%s: refuses a size out of range', (backend) => {
    for (const memoryBytes of [0, 900_000, 2 ** 32, Number.NaN, -1]) {
      expect(() => loadMptcpCoreSync({ backend, memoryBytes })).toThrow(RangeError)
    }
  })

  it.each(BACKENDS)(
    '%s: has accounts and queues for as many connections as asked for',
    (backend) => {
      const memoryBytes = 2 * 1024 * 1024
      const core = loadMptcpCoreSync({ backend, memoryBytes, maxActiveConnections: 100 })
      const free = (name: keyof typeof HEADER_WORDS) => core.u32[(HEADER >> 2) + HEADER_WORDS[name]]
      expect(free('ACCOUNTS_FREE')).toBe(200)
      expect(free('QUEUES_FREE')).toBe(400)
      expect(free('SLOTS_FREE')).toBeGreaterThan(0.7 * (memoryBytes / 2048))
      for (const maxActiveConnections of [0, -1, 1.5, Number.NaN, 5000]) {
        expect(() => loadMptcpCoreSync({ backend, memoryBytes, maxActiveConnections })).toThrow(
          RangeError,
        )
      }
    },
  )

  it.each(BACKENDS)('%s: writes the layout into the header and resets', (backend) => {
    const memoryBytes = 2 * 1024 * 1024
    const core = loadMptcpCoreSync({ backend, memoryBytes })
    const { words } = layOut(memoryBytes)
    const word = (name: keyof typeof HEADER_WORDS) => core.u32[(HEADER >> 2) + HEADER_WORDS[name]]
    expect(word('SLOT_BASE')).toBe(words.SLOT_BASE)
    expect(word('SLOT_COUNT')).toBe(words.SLOT_COUNT)
    expect(word('SLOTS_FREE')).toBe(words.SLOT_COUNT)
  })

  it.each(BACKENDS)('%s: gives each core a memory of its own', (backend) => {
    const first = loadMptcpCoreSync({ backend })
    const second = loadMptcpCoreSync({ backend })
    expect(second.memory).not.toBe(first.memory)
    first.u8.fill(0xff, HEADER)
    expect(second.checksum(new Uint8Array([1, 2]))).toBe(0x0102)
  })

  it('takes the module from bytes of the host, and refuses others', async () => {
    const wasm = readFileSync(MODULE)
    expect((await loadMptcpCore({ backend: 'wasm', wasm })).backend).toBe('wasm')
    expect(loadMptcpCoreSync({ backend: 'wasm', wasm }).backend).toBe('wasm')
    const broken = new Uint8Array(10)
    await expect(loadMptcpCore({ backend: 'wasm', wasm: broken })).rejects.toMatchObject({
      code: 'ERR_MPTCP_CORE',
    })
    expect(() => loadMptcpCoreSync({ backend: 'wasm', wasm: broken })).toThrow(refused)
    expect(loadMptcpCoreSync({ backend: 'js', wasm: broken }).backend).toBe('js')
  })
})
