// The stack, the emulator and both cores, bundled for a browser, run in a context of their own whose only
// globals are JavaScript's and some that every browser has. On the built package: `npm run build` first.

import { readFileSync } from 'node:fs'
import { isBuiltin } from 'node:module'
import { fileURLToPath } from 'node:url'
import { createContext, runInContext } from 'node:vm'
import { rolldown } from 'rolldown'
import { afterEach, beforeAll, describe, expect, it } from 'vitest'
import type { MptcpCore, MptcpCoreOptions } from '../../ts/core/index.js'
import type { MptcpRealClock } from '../../ts/index.js'
import { randomBytes } from '../contract/cores.js'
import { BUILD, needBuild } from '../harness/built.js'

/** What page.mjs exports. */
interface Page {
  transfer(
    load: (memoryBytes: number) => Promise<MptcpCore>,
    data: Uint8Array,
  ): Promise<{
    backends: string[]
    bytesOverPaths: number[]
    liveSlots: number[]
    received: Uint8Array
  }>
  loadMptcpCore(options: MptcpCoreOptions): Promise<MptcpCore>
  loadMptcpCoreSync(options: MptcpCoreOptions): MptcpCore
  RealClock: typeof MptcpRealClock
}

const PAGE = fileURLToPath(new URL('page.mjs', import.meta.url))
/** Where the page says that its script lies. */
const SCRIPT_URL = 'https://page.example/a/b/page.js'
const BYTES = 1_000_000

let code = ''
let files: string[] = []
const complaints: string[] = []
let wasm: Uint8Array<ArrayBuffer>
const warned: string[] = []

beforeAll(async () => {
  needBuild('stack/stack.js', 'core.wasm', 'host/timeout.browser.js')
  wasm = new Uint8Array(readFileSync(`${BUILD}/core.wasm`))
  const build = await rolldown({
    input: PAGE,
    platform: 'browser',
    transform: { define: { 'import.meta.url': JSON.stringify(SCRIPT_URL) } },
    onLog: (_level, { message }) => complaints.push(message),
  })
  const { output } = await build.generate({ format: 'iife', name: 'page' })
  await build.close()
  code = output[0].code
  files = Object.keys(output[0].modules)
  expect(output).toHaveLength(1)
})

afterEach(() => {
  warned.length = 0
})

/** What browsers add to JavaScript, as far as it is needed. */
const BROWSER = {
  crypto: { getRandomValues: (bytes: Uint8Array) => crypto.getRandomValues(bytes) },
  performance: { now: () => performance.now() },
  console: { warn: (message: unknown) => warned.push(String(message)) },
  setTimeout: (callback: () => void, delayMs: number) => Number(setTimeout(callback, delayMs)),
  clearTimeout: (timeout: number) => clearTimeout(timeout),
  MessageChannel: class {
    readonly port1 = { onmessage: () => {} }
    readonly port2 = { postMessage: () => void setImmediate(() => this.port1.onmessage()) }
  },
  TextDecoder,
  URL,
}

/** The page's exports, in a context of its own. */
function open(fetch?: (url: URL) => Promise<unknown>): Page {
  return runInContext(`${code}\npage`, createContext({ ...BROWSER, fetch })) as Page
}

describe('the bundle for a browser', () => {
  it("has no module of Node, none is missing, and no form of a host file is Node's", () => {
    expect(complaints).toEqual([])
    expect(files.filter((file) => isBuiltin(file) || file.includes('browser-external'))).toEqual([])
    const host = files.filter((file) => file.includes('/build/host/'))
    expect(host.length).toBeGreaterThan(4)
    expect(host.filter((file) => !file.endsWith('.browser.js'))).toEqual([])
    expect(code).not.toMatch(/\brequire\(|['"]node:/)
  })

  it("runs where no global is Node's", () => {
    const names = ['process', 'Buffer', 'global', 'require', 'module', 'setImmediate', '__dirname']
    const context = createContext({ ...BROWSER })
    const found = names.filter((name) => runInContext(`typeof ${name}`, context) !== 'undefined')
    expect(found).toEqual([])
  })
})

describe.each(['wasm', 'js'] as const)('in a browser, with the core %s', (backend) => {
  it('data crosses two paths, and no buffer is left', async () => {
    const page = open()
    const data = randomBytes(BYTES, 1)
    const result = await page.transfer(
      (memoryBytes) => page.loadMptcpCore({ backend, memoryBytes, wasm }),
      data,
    )
    expect(result.backends).toEqual([backend, backend])
    expect(Buffer.compare(result.received, data)).toBe(0)
    expect(Math.min(...result.bytesOverPaths)).toBeGreaterThan(BYTES / 10)
    expect(result.liveSlots).toEqual([0, 0])
    expect(warned).toEqual([])
  })
})

describe('loading a core in a browser', () => {
  it('fetches core.wasm once, from beside the script', async () => {
    const asked: string[] = []
    const page = open(async (url) => {
      asked.push(String(url))
      return { ok: true, arrayBuffer: async () => wasm.slice().buffer }
    })
    expect((await page.loadMptcpCore({})).backend).toBe('wasm')
    expect((await page.loadMptcpCore({ backend: 'wasm' })).backend).toBe('wasm')
    expect(asked).toEqual(['https://page.example/build/core.wasm'])
    // Compiled by then, so at once as well.
    expect(page.loadMptcpCoreSync({}).backend).toBe('wasm')
  })

  it('says what to do when core.wasm is not there', async () => {
    const page = open(async (url) => ({ ok: false, status: 404, url: String(url) }))
    const error = await page.loadMptcpCore({}).catch((refusal: unknown) => refusal)
    expect(error).toMatchObject({
      code: 'ERR_MPTCP_CORE',
      message:
        "mptcp core: cannot fetch core.wasm; hand its bytes in as `wasm`, or ask for the backend 'js'",
      cause: { message: 'https://page.example/build/core.wasm answered with status 404' },
    })
    expect((await page.loadMptcpCore({ backend: 'js' })).backend).toBe('js')
  })

  it("at once: of bytes, or 'js' with the reason for it; 'wasm' without bytes is refused", () => {
    const page = open()
    expect(page.loadMptcpCoreSync({ wasm }).backend).toBe('wasm')
    expect(page.loadMptcpCoreSync({ backend: 'wasm', wasm }).backend).toBe('wasm')
    expect(page.loadMptcpCoreSync({ backend: 'js' }).backend).toBe('js')
    expect(warned).toEqual([])
    const reason =
      'mptcp core: core.wasm cannot be read at once here; await loadMptcpCore(), or hand its bytes in as `wasm`'
    expect(page.loadMptcpCoreSync({}).backend).toBe('js')
    expect(warned).toEqual([`${reason}. Until then the core is the one in JavaScript`])
    expect(() => page.loadMptcpCoreSync({ backend: 'wasm' })).toThrow(
      expect.objectContaining({ code: 'ERR_MPTCP_CORE', message: reason }),
    )
  })
})

describe('real time in a browser', () => {
  it('has timers and callbacks that come soon, and takes them back', async () => {
    const clock = new (open().RealClock)()
    const start = clock.now()
    const seen: string[] = []
    await new Promise<void>((resolve) => {
      clock.at(start + 5.5, () => {
        seen.push(clock.now() < start + 5.5 ? 'early' : 'later')
        resolve()
      })
      clock.cancel(clock.at(start + 1, () => seen.push('cancelled')))
      clock.cancel(clock.at(start - 1, () => seen.push('cancelled, past')))
      clock.at(start - 1, () => seen.push('past'))
      clock.soon(() => seen.push('soon'))
    })
    expect(seen).toEqual(['past', 'soon', 'later'])
  })
})
