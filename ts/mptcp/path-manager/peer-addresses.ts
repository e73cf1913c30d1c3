// What the peer says of its addresses and subflows: ADD_ADDR, REMOVE_ADDR (RFC 8684 §3.4) and MP_PRIO
// (§3.3.8). What must be done whichever path manager there is, is done here; it is told of the rest.

import { addressFromBytes, formatAddress } from '../../wire/address.js'
import type { AddAddrOption, MpPrioOption, RemoveAddrOption } from '../../wire/mptcp-options.js'
import type { Connection } from '../connection.js'
import type { Context } from '../context.js'
import type { Subflow } from '../subflow.js'
import { equalBytes } from '../token.js'
import { echoArrived } from './announcements.js'
import { subflowView } from './connection-view.js'
import { fullyEstablished } from './events.js'
import { noteSaid } from './path-state.js'
import { forgetRemote } from './retries.js'

/** Bounded: echoes that wait for an ACK of their own, which a flood of ADD_ADDRs could pile up. */
const MAX_ECHOES = 16

/** ADD_ADDR has come: verified, and echoed whatever becomes of it. */
export function addAddrArrived(
  context: Context,
  connection: Connection,
  subflow: Subflow,
  option: AddAddrOption,
): void {
  const { counters } = context
  if (option.echo) {
    counters.EchoAdd++
    if (option.port !== null) counters.PortAdd++
    echoArrived(connection, option)
    return
  }
  const expected = context.core.addAddressHmac(
    connection.remoteKey as Uint8Array,
    connection.localKey,
    option.addressId,
    option.address,
    option.port ?? 0,
  )
  if (option.hmac === null || !equalBytes(option.hmac, expected)) {
    counters.AddAddrHMacFailure++
    return
  }
  counters.AddAddr++
  if (option.port !== null) counters.PortAdd++
  // Echoed whenever the HMAC holds, also a repeated one: our first echo may be lost.
  if (subflow.pendingOptions.length < MAX_ECHOES) {
    subflow.pendingOptions.push({ ...option, echo: true, hmac: null })
  } else counters.EchoAddTxDrop++
  // Its HMAC proves that the peer has our key, before any DSS does.
  fullyEstablished(connection)
  const told = noteSaid(connection.pathManager, {
    type: 'announced',
    id: option.addressId,
    address: formatAddress(addressFromBytes(option.address)),
    port: option.port ?? 0,
  })
  if (!told) counters.AddAddrDrop++
}

/** REMOVE_ADDR has come: the subflows to those addresses end (§3.4.2). */
export function removeAddrArrived(
  context: Context,
  connection: Connection,
  option: RemoveAddrOption,
): void {
  const { counters } = context
  for (const id of option.addressIds) {
    if (!noteSaid(connection.pathManager, { type: 'removed', id })) {
      counters.RmAddrDrop++
      continue
    }
    counters.RmAddr++
    forgetRemote(connection, id)
    for (const subflow of connection.subflows) {
      if (subflow.remoteAddressId !== id || subflow.tcb.state === 'CLOSED') continue
      subflow.resetOwed = -1
    }
  }
}

/** MP_PRIO has come: it is about the subflow that carries it. */
export function prioArrived(
  context: Context,
  connection: Connection,
  subflow: Subflow,
  option: MpPrioOption,
): void {
  context.counters.MPPrioRx++
  subflow.remoteBackup = option.backup
  noteSaid(connection.pathManager, { type: 'sub-priority', subflow: subflowView(subflow) })
}
