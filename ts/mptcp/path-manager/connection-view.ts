// A connection as its path manager sees it: read when it is asked, so that an event which nobody looks
// into costs nothing.

import { formatAddress } from '../../wire/address.js'
import type { AddressFamilies, Connection } from '../connection.js'
import { mayOpenJoin } from '../mp-join.js'
import { extraSubflows, isLive, type Subflow } from '../subflow.js'
import type {
  MptcpAnnouncedAddress,
  MptcpPathConnection,
  MptcpPathSubflow,
} from './path-manager.js'

export class ConnectionView implements MptcpPathConnection {
  readonly #connection: Connection

  constructor(connection: Connection) {
    this.#connection = connection
  }

  get token(): number {
    return this.#connection.localToken
  }

  get role(): 'client' | 'server' {
    return this.#connection.role
  }

  get state(): string {
    return this.#connection.state
  }

  get established(): boolean {
    return mayOpenJoin(this.#connection)
  }

  get local(): string {
    const { local } = this.#connection.pathManager
    return local === null ? '' : formatAddress(local)
  }

  get localPort(): number {
    return this.#connection.pathManager.localPort
  }

  get remote(): string {
    return formatAddress(this.#connection.remote)
  }

  get remotePort(): number {
    return this.#connection.remotePort
  }

  get families(): AddressFamilies {
    return this.#connection.families
  }

  get denyJoinInitial(): boolean {
    return this.#connection.denyJoinInitial
  }

  get subflows(): MptcpPathSubflow[] {
    return this.#connection.subflows.filter(isOpen).map(subflowView)
  }

  get extraSubflows(): number {
    return extraSubflows(this.#connection.subflows)
  }

  get announced(): MptcpAnnouncedAddress[] {
    return this.#connection.pathManager.announcements.map(({ id, address, port, echoed }) => ({
      id,
      address: formatAddress(address),
      port,
      echoed,
    }))
  }
}

/** Open, or being opened, and not about to be reset. */
export function isOpen(subflow: Subflow): boolean {
  if (subflow.resetOwed !== null) return false
  return isLive(subflow) || subflow.tcb.state.startsWith('SYN')
}

export function subflowView(subflow: Subflow): MptcpPathSubflow {
  return {
    id: subflow.id,
    localId: subflow.localAddressId,
    remoteId: subflow.remoteAddressId,
    local: formatAddress(subflow.path.address),
    localPort: subflow.localPort,
    remote: formatAddress(subflow.remote),
    remotePort: subflow.remotePort,
    backup: subflow.localBackup,
    remoteBackup: subflow.remoteBackup,
    opener: subflow.opener,
    state: subflow.tcb.state,
  }
}
