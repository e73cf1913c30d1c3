// What a scripted peer maps, and how the subflow ends that it was wrong on.

import { expect } from 'vitest'
import { MP_TCPRST } from '../../ts/wire/mptcp-options.js'
import type { Conversation } from '../harness/conversation.js'
import { dss, type RelativeDss } from '../harness/peer.js'

/** A plain mapping of `length` bytes at data offset `dsn`. */
export const map = (dsn: number, ssn: number, length: number): RelativeDss =>
  dss({ ack: 1, dsn, ssn, length })

export function isReset(c: Conversation, reason: number): void {
  const said = c.sendsAll().at(-1)!
  expect(said.flags).toContain('R')
  expect(said.mptcp).toMatchObject([{ subtype: MP_TCPRST, reason }])
}
