// What a user of the package can see bears the prefix, and a subflow is nothing that a user can make.

import { describe, expect, it } from 'vitest'
import * as core from '../ts/core/index.js'
import { COUNTER_MEANINGS } from '../ts/counters.js'
import * as main from '../ts/index.js'

/** `MPTCP_…`, `mptcp…`, `Mptcp…`, or a verb before it: `loadMptcpCore`. */
const PREFIXED = /^(MPTCP_|mptcp|Mptcp|(load|open)Mptcp)/

describe.each([
  ['mptcp-wasm', main],
  ['mptcp-wasm/core', core],
])('%s', (_name, exported) => {
  it('exports only names with the prefix', () => {
    const names = Object.keys(exported)
    expect(names.length).toBeGreaterThan(0)
    expect(names.filter((name) => !PREFIXED.test(name))).toEqual([])
  })

  it('exports no way to make a subflow', () => {
    expect(Object.keys(exported).filter((name) => /subflow|tcb/i.test(name))).toEqual([])
  })
})

describe('counters', () => {
  it('say in a sentence what they count', () => {
    for (const [name, meaning] of Object.entries(COUNTER_MEANINGS)) {
      expect(meaning.length, name).toBeGreaterThan(10)
    }
  })
})
