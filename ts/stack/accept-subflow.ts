// The subflow that a SYN opens, for a connection new or old: its tcb in SYN-RECEIVED, and its place in the demux.

import type { Connection } from '../mptcp/connection.js'
import type { Context } from '../mptcp/context.js'
import type { LocalPath } from '../mptcp/local-path.js'
import { createSubflowTcb, noteInitial } from '../mptcp/open.js'
import type { MptcpLocalAddress } from '../mptcp/path-manager/path-manager.js'
import { createSubflow, type Subflow } from '../mptcp/subflow.js'
import { synArrives } from '../tcp/listen.js'
import type { Tcb } from '../tcp/tcb.js'
import type { Segment } from '../wire/segment.js'

/** A subflow that a peer opens. */
export interface PassiveSubflow {
  kind: 'initial' | 'join'
  own: MptcpLocalAddress
  remoteId: number
  /** Readies the tcb before it takes the SYN. */
  prepare?: (tcb: Tcb) => void
}

/** The address of an initial subflow has id 0; that it is a backup is said later, with MP_PRIO. */
export const FIRST_ADDRESS: MptcpLocalAddress = { id: 0, backup: false }

export function acceptSubflow(
  context: Context,
  connection: Connection,
  syn: Segment,
  path: LocalPath,
  { kind, own, remoteId, prepare }: PassiveSubflow,
  now: number,
): Subflow {
  const tcb = createSubflowTcb(context, connection, path, syn.source)
  prepare?.(tcb)
  const subflow = createSubflow({
    id: connection.nextSubflowId++,
    tcb,
    kind,
    opener: false,
    path,
    localPort: syn.destinationPort,
    remote: syn.source,
    remotePort: syn.sourcePort,
    localAddressId: own.id,
    remoteAddressId: remoteId,
    localNonce: context.random.uint32(),
    backup: own.backup,
    plain: connection.mode === 'fallback',
  })
  if (kind === 'initial') noteInitial(connection, subflow)
  synArrives(tcb, syn, now)
  connection.subflows = connection.subflows.concat(subflow)
  context.bind(connection, subflow)
  context.counters.TcpPassiveOpens++
  return subflow
}
