// What backup means for who carries data: RFC 8684 §3.3.8.

import { describe, expect, it } from 'vitest'
import { BACKENDS } from '../../contract/cores.js'
import { established, joined } from '../../harness/states.js'

describe.each(BACKENDS)('backups, %s core', (core) => {
  it('a backup carries nothing while another works, and everything once none does', () => {
    const c = established({ core })
    const peer = joined(c, { backup: true })
    c.writes(60_000)
    const first = c.sendsAll()
    expect(first.every((each) => each.peer === c.peer)).toBe(true)
    c.receives({ flags: 'R', seq: 1 })
    const then = c.sendsAll()
    expect(then.length).toBeGreaterThan(0)
    expect(then.every((each) => each.peer === peer)).toBe(true)
    expect(then[0]).toMatchObject({ mptcp: [{ dsn: 1, ssn: 1 }] })
  })
})
