// What a machine gives, in both forms: Node's and the browser's, of which the latter runs here on the
// globals that Node shares with browsers, or on a stand-in.

import { readFileSync } from 'node:fs'
import { afterEach, describe, expect, it, vi } from 'vitest'
import * as wasmBrowser from '../../ts/host/core-wasm.browser.js'
import * as wasmNode from '../../ts/host/core-wasm.js'
import * as environmentBrowser from '../../ts/host/environment.browser.js'
import * as environmentNode from '../../ts/host/environment.js'
import * as immediateBrowser from '../../ts/host/immediate.browser.js'
import * as immediateNode from '../../ts/host/immediate.js'
import * as randomBrowser from '../../ts/host/random-bytes.browser.js'
import * as randomNode from '../../ts/host/random-bytes.js'
import * as timeoutBrowser from '../../ts/host/timeout.browser.js'
import * as timeoutNode from '../../ts/host/timeout.js'
import * as warningBrowser from '../../ts/host/warning.browser.js'
import * as warningNode from '../../ts/host/warning.js'

const CORE_WASM = readFileSync(new URL('../../build/core.wasm', import.meta.url))

afterEach(() => {
  vi.unstubAllEnvs()
  vi.unstubAllGlobals()
  vi.restoreAllMocks()
})

describe.each([
  ['node', randomNode],
  ['browser', randomBrowser],
])('random bytes: %s', (_form, { fillRandomBytes }) => {
  it('fill a whole array, however long, and nothing beside it', () => {
    const around = new Uint8Array(200_002)
    fillRandomBytes(around.subarray(1, 200_001))
    expect([around[0], around[200_001]]).toEqual([0, 0])
    // 256 zeros in a row come by chance once in 2^2048.
    for (let at = 1; at < 200_001; at += 256) {
      expect(around.subarray(at, Math.min(at + 256, 200_001)).some((byte) => byte !== 0)).toBe(true)
    }
    const [first, second] = [new Uint8Array(16), new Uint8Array(16)]
    fillRandomBytes(first)
    fillRandomBytes(second)
    expect(first).not.toEqual(second)
    fillRandomBytes(new Uint8Array(0))
  })
})

describe.each([
  ['node', immediateNode],
  ['browser', immediateBrowser],
])('immediates: %s', (_form, form) => {
  const start = form.startImmediate as (callback: () => void, ref: boolean) => object
  const stop = form.stopImmediate as (immediate: object) => void

  it('run once each, in order, after their caller has returned, unless stopped', async () => {
    const seen: string[] = []
    await new Promise<void>((resolve) => {
      start(() => seen.push('first'), true)
      const stopped = start(() => seen.push('stopped'), true)
      start(() => {
        seen.push('second')
        start(() => {
          seen.push('third')
          resolve()
        }, true)
      }, true)
      stop(stopped)
      seen.push('caller')
    })
    expect(seen).toEqual(['caller', 'first', 'second', 'third'])
  })
})

describe("a browser's immediates", () => {
  it('go on after one that throws', async () => {
    const messages: (() => void)[] = []
    vi.stubGlobal(
      'MessageChannel',
      class {
        readonly port1 = { onmessage: () => {} }
        readonly port2 = { postMessage: () => messages.push(() => this.port1.onmessage()) }
      },
    )
    vi.resetModules()
    const { startImmediate } = await import('../../ts/host/immediate.browser.js')
    const seen: string[] = []
    startImmediate(() => {
      throw new Error('of a user')
    }, true)
    startImmediate(() => seen.push('the next'), true)
    expect(() => messages.shift()!()).toThrow('of a user')
    messages.shift()!()
    expect(seen).toEqual(['the next'])
    expect(messages).toEqual([])
  })
})

describe.each([
  ['node', timeoutNode],
  ['browser', timeoutBrowser],
])('timeouts: %s', (_form, form) => {
  it('run after their delay, unless stopped', async () => {
    const start = form.startTimeout as (callback: () => void, ms: number, ref: boolean) => object
    const stop = form.stopTimeout as (timeout: object) => void
    const seen: string[] = []
    const from = performance.now()
    await new Promise<void>((resolve) => {
      stop(start(() => seen.push('stopped'), 1, true))
      start(resolve, 20, true)
      start(() => seen.push('sooner'), 2, true)
    })
    expect(seen).toEqual(['sooner'])
    // Whole milliseconds of the event loop's time: one early at most.
    expect(performance.now() - from).toBeGreaterThanOrEqual(19)
  })
})

describe('warnings', () => {
  it('are warnings of the process in Node, and on the console of a browser', async () => {
    const told = new Promise<Error>((resolve) => process.once('warning', resolve))
    vi.spyOn(process.stderr, 'write').mockReturnValue(true)
    warningNode.warn(new Error('of a path manager'))
    expect((await told).message).toBe('of a path manager')
    const warned = vi.spyOn(console, 'warn').mockReturnValue()
    warningBrowser.warn('of a core')
    expect(warned).toHaveBeenCalledExactlyOnceWith('of a core')
  })
})

describe('the environment', () => {
  it("is the process's in Node, and says nothing in a browser", () => {
    vi.stubEnv('MPTCP_CORE', 'js')
    expect(environmentNode.environmentVariable('MPTCP_CORE')).toBe('js')
    expect(environmentBrowser.environmentVariable('MPTCP_CORE')).toBeUndefined()
    vi.stubEnv('MPTCP_CORE', undefined)
    expect(environmentNode.environmentVariable('MPTCP_CORE')).toBeUndefined()
  })
})

describe('core.wasm', () => {
  it('is a file in Node', async () => {
    expect(wasmNode.readCoreWasm()).toEqual(CORE_WASM)
    expect(await wasmNode.fetchCoreWasm()).toEqual(CORE_WASM)
  })

  it('is fetched in a browser, and a status that says no is an error', async () => {
    expect(wasmBrowser.readCoreWasm()).toBeNull()
    const asked: string[] = []
    const answers = [
      { ok: true, arrayBuffer: async () => new Uint8Array(CORE_WASM).buffer },
      { ok: false, status: 404, url: 'https://page.example/core.wasm' },
    ]
    vi.stubGlobal('fetch', async (url: URL) => {
      asked.push(url.pathname)
      return answers.shift()
    })
    expect(await wasmBrowser.fetchCoreWasm()).toEqual(new Uint8Array(CORE_WASM))
    await expect(wasmBrowser.fetchCoreWasm()).rejects.toThrow(
      'https://page.example/core.wasm answered with status 404',
    )
    expect(asked[0]).toBe(new URL('../../build/core.wasm', import.meta.url).pathname)
  })
})
