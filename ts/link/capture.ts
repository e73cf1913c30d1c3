// A tap on any link: sees each packet that is received, and each that the link took to send.

import type { Frame, Link, PacketBatch } from './link.js'

/** `bytes` is lent for the duration of the call only. */
export type Tap = (
  direction: 'in' | 'out',
  bytes: Uint8Array,
  offset: number,
  length: number,
) => void

/** A link that behaves as `link` does and tells `tap` of every packet. */
export function captureLink(link: Link, tap: Tap): Link {
  const { watch, policy } = link
  return {
    name: link.name,
    get addresses() {
      return link.addresses
    },
    get caps() {
      return link.caps
    },
    ...(policy !== undefined && { policy }),
    ...(watch !== undefined && { watch: (changed) => watch.call(link, changed) }),
    open(receive: (batch: PacketBatch) => void, staging: Uint8Array): void {
      link.open((batch) => {
        for (let i = 0; i < batch.count; i++) {
          tap('in', batch.bytes, batch.offset[i]!, batch.length[i]!)
        }
        receive(batch)
      }, staging)
    },
    send(frame: Frame): boolean {
      const isTaken = link.send(frame)
      // Like tcpdump, which shows what went to the device and not what a full queue refused.
      if (isTaken) tap('out', frame.bytes, frame.offset, frame.length)
      return isTaken
    },
    flush: () => link.flush(),
    close: () => link.close(),
  }
}
