// What an idle connection does without: an account for each direction, its queue and those of its subflows.
// Each direction takes its own with the first byte, and gives it back when nothing lies in it any more.
// Half of the accounts are for receiving: two stacks that send to each other on more connections than they
// have accounts for would else each wait for the other's ACKs.

import { COALESCE_ABUT, COALESCE_BYPASS, COALESCE_EQUAL, type MptcpCore } from '../core/core.js'
import { accountCount, accountsFree, accountUsed, queuesFree, SLOT_BYTES } from '../core/pools.js'
import { firstRecord } from '../core/records.js'
import { releaseQueue, takeQueue } from '../tcp/receive.js'
import type { Tcb } from '../tcp/tcb.js'
import { type Connection, receivedEnd } from './connection.js'
import type { Context, MptcpConfig } from './context.js'
import type { Subflow } from './subflow.js'

/**
 * Bounded: connections that keep what they had although nothing lies in it, so that one that goes on at once
 * need not take it again for every segment. Whoever finds none left takes it from these.
 */
const MAX_RESTING = 32
/** Connections that one segment in want of a queue looks at. */
const MOST_LOOKED_AT = 16
/** Payload bytes of a slot that may be counted on: segments of an Ethernet MTU leave the rest unused. */
const USED_SLOT_BYTES = 1300

/** An account for sending; false = as many as can be have one. */
export function readyToSend(context: Context, { snd }: Connection): boolean {
  if (snd.account !== 0) return true
  if (sendersLeft(context) === 0) takeFromResting(context)
  if (sendersLeft(context) === 0) return false
  const { core, config } = context
  const slots = Math.ceil(config.sendBufferBytes / SLOT_BYTES) + 16
  snd.account = core.kernel.mptcp_account_take(slots)
  return true
}

/** All that a segment's payload needs but slots and records; false = as many as can be have it. */
export function readyToReceive(
  context: Context,
  connection: Connection,
  { tcb }: Subflow,
): boolean {
  const { receiving } = context
  const { rcv } = connection
  if (rcv.queue === 0) {
    if (receiving.size === mostActive(context)) takeFromResting(context)
    if (receiving.size === mostActive(context)) return false
    const { core, config } = context
    receiving.add(connection)
    rcv.queue = core.kernel.mptcp_queue_take(coalesceMode(config), rcv.emptyAt)
    // Twice what the window holds, in slots: records that wait below a hole count as well.
    const slots = Math.ceil((2 * config.receiveBufferBytes) / USED_SLOT_BYTES) + 16
    rcv.account = core.kernel.mptcp_account_take(slots)
  }
  return tcb.rcv.queue !== 0 || takeSubflowQueue(context, connection, tcb)
}

/** About as many connections as could begin to send now. */
export function possibleSenders(context: Context): number {
  return sendersLeft(context) + context.resting.size
}

function mostActive({ core }: Context): number {
  return accountCount(core) >> 1
}

function sendersLeft(context: Context): number {
  const { core, receiving } = context
  return mostActive(context) - (accountCount(core) - accountsFree(core) - receiving.size)
}

function coalesceMode({ coalesce, coalesceKey }: MptcpConfig): number {
  if (coalesceKey !== null) return COALESCE_EQUAL
  return coalesce === 'dss' ? COALESCE_ABUT : COALESCE_BYPASS
}

/** One queue is left for each connection that may still begin to receive. */
function takeSubflowQueue(context: Context, connection: Connection, tcb: Tcb): boolean {
  const { core, receiving } = context
  const hasOne = (): boolean => queuesFree(core) > mostActive(context) - receiving.size
  if (!hasOne()) {
    // It is about to be used itself.
    forgetResting(context, connection)
    takeFromResting(context)
  }
  if (!hasOne()) takeEmptyQueues(context)
  return hasOne() && takeQueue(tcb)
}

/** Takes queues in which nothing lies from subflows of those that came first, who are asked last next time. */
function takeEmptyQueues({ core, receiving }: Context): void {
  let left = Math.min(MOST_LOOKED_AT, receiving.size)
  for (const connection of receiving) {
    for (const { tcb } of connection.subflows) {
      const { queue } = tcb.rcv
      if (queue !== 0 && firstRecord(core, queue) === 0) releaseQueue(tcb)
    }
    receiving.delete(connection)
    receiving.add(connection)
    if (--left === 0) return
  }
}

/** Where nothing is under way any more in a direction, what it holds is given back before long. */
export function rest(context: Context, connection: Connection): void {
  if (connection.resting) return
  const { core, resting } = context
  if (!receivesNothing(core, connection) && !sendsNothing(core, connection)) return
  connection.resting = true
  resting.add(connection)
  if (resting.size <= MAX_RESTING) return
  const [oldest] = resting
  forgetResting(context, oldest)
  giveBack(context, oldest)
}

/** Takes from all that rest. */
function takeFromResting(context: Context): void {
  for (const connection of context.resting) {
    forgetResting(context, connection)
    giveBack(context, connection)
  }
}

export function forgetResting({ resting }: Context, connection: Connection): void {
  resting.delete(connection)
  connection.resting = false
}

/** Whether it has what receiving takes, and nothing lies in it. */
function receivesNothing(core: MptcpCore, { rcv }: Connection): boolean {
  return rcv.queue !== 0 && accountUsed(core, rcv.account) === 0
}

function sendsNothing(core: MptcpCore, { snd }: Connection): boolean {
  return snd.account !== 0 && accountUsed(core, snd.account) === 0
}

function giveBack(context: Context, connection: Connection): void {
  const { core } = context
  if (receivesNothing(core, connection)) {
    for (const { tcb } of connection.subflows) releaseQueue(tcb)
    giveBackReceiving(context, connection)
  }
  if (sendsNothing(core, connection)) giveBackSending(context, connection)
}

/** Gives back the queue with what lies in it, and the account; the subflows hold nothing any more. */
export function giveBackReceiving(context: Context, connection: Connection): void {
  const { rcv } = connection
  if (rcv.queue === 0) return
  const { kernel } = context.core
  rcv.emptyAt = receivedEnd(context, connection)
  kernel.mptcp_queue_release(rcv.queue)
  kernel.mptcp_account_release(rcv.account)
  rcv.queue = 0
  rcv.account = 0
  context.receiving.delete(connection)
}

/** Gives back the account: nothing is charged to it any more. */
export function giveBackSending({ core }: Context, { snd }: Connection): void {
  if (snd.account === 0) return
  core.kernel.mptcp_account_release(snd.account)
  snd.account = 0
}
