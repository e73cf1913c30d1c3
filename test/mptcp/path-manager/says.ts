// What a scripted peer says of addresses.

import { addressBytes, parseAddress } from '../../../ts/wire/address.js'
import { ADD_ADDR, type AddAddrOption } from '../../../ts/wire/mptcp-options.js'
import type { Conversation } from '../../harness/conversation.js'
import { addAddressHmac, type Said } from '../../harness/peer.js'

/** Its ADD_ADDR, under a right HMAC. */
export function addAddr(c: Conversation, text: string, id: number, port = 0): AddAddrOption {
  const { peer, stack } = c.keys
  const address = addressBytes(parseAddress(text)!)
  return {
    subtype: ADD_ADDR,
    echo: false,
    addressId: id,
    address,
    port: port === 0 ? null : port,
    hmac: addAddressHmac(peer.key, stack!.key, id, address, port),
  }
}

/** The echoes of the ADD_ADDRs that the stack has said. */
export function echoes(said: Said): AddAddrOption[] {
  return said.mptcp.flatMap((option) =>
    option.subtype === ADD_ADDR ? [{ ...option, echo: true, hmac: null }] : [],
  )
}
