import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { HEADER } from '../../ts/core/layout.js'
import { compiledModule } from '../../ts/core/wasm.js'
import { bothCores } from './cores.js'

/** assembly/index.ts, and nothing that the compiler adds. */
const FUNCTIONS = [
  'mptcp_account_release',
  'mptcp_account_take',
  'mptcp_chain_copy',
  'mptcp_chain_free',
  'mptcp_checksum',
  'mptcp_copy_checksum',
  'mptcp_extension_hold',
  'mptcp_extension_recycle',
  'mptcp_extension_release',
  'mptcp_extension_take',
  'mptcp_hmac_sha256',
  'mptcp_payload_take',
  'mptcp_queue_collapse',
  'mptcp_queue_find_run',
  'mptcp_queue_insert',
  'mptcp_queue_pop',
  'mptcp_queue_prune',
  'mptcp_queue_release',
  'mptcp_queue_take',
  'mptcp_record_free',
  'mptcp_record_slack',
  'mptcp_record_slice',
  'mptcp_record_sum',
  'mptcp_record_take',
  'mptcp_reset',
  'mptcp_sha256',
  'mptcp_sha256_blocks',
  'mptcp_sha256_finish',
  'mptcp_sha256_start',
]

/** Where the last of a module's active data segments ends (WebAssembly 2.0 §5.5.14). */
function staticDataEnd(module: Uint8Array): number {
  let at = 8 // after magic and version
  let end = 0
  const leb = (): number => {
    let value = 0
    for (let shift = 0; ; shift += 7) {
      const byte = module[at++]!
      value += (byte & 0x7f) * 2 ** shift
      if (byte < 0x80) return value
    }
  }
  while (at < module.length) {
    const section = module[at++]
    const next = leb() + at
    if (section === 11) {
      for (let count = leb(); count > 0; count--) {
        expect(leb()).toBe(0) // an active segment of memory 0
        expect(module[at++]).toBe(0x41) // i32.const
        const offset = leb()
        expect(module[at++]).toBe(0x0b) // end
        const length = leb()
        at += length
        end = Math.max(end, offset + length)
      }
    }
    at = next
  }
  return end
}

describe('the WASM module', () => {
  it('exports the functions of the ABI and its memory, nothing else', () => {
    const found = WebAssembly.Module.exports(compiledModule()!)
    expect(found.map(({ name }) => name).sort()).toEqual(['memory', ...FUNCTIONS])
  })

  it('keeps its static data below HEADER', () => {
    const end = staticDataEnd(readFileSync(new URL('../../build/core.wasm', import.meta.url)))
    expect(end).toBeGreaterThan(1024)
    expect(end).toBeLessThanOrEqual(HEADER)
  })
})

it('has a twin in JavaScript for every function', () => {
  const { wasm, js } = bothCores()
  expect(Object.keys(js.kernel).sort()).toEqual(FUNCTIONS)
  for (const name of FUNCTIONS as (keyof typeof wasm.kernel)[]) {
    expect(wasm.kernel[name], name).toBeTypeOf('function')
    expect(wasm.kernel[name].length, name).toBe(js.kernel[name].length)
  }
})
