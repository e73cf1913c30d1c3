// The DSS checksum, RFC 8684 §3.3.1: ones' complement over a pseudo-header and the mapped bytes, from the
// sums that their records keep since they were copied.

import type { MptcpCore } from '../core/core.js'
import { nextRecord, recordLength, recordPointer } from '../core/records.js'
import { fold } from '../wire/ip.js'
import { dsnHigh, dsnLow } from '../wire/seq.js'

/** Sum of the pseudo-header and a checksum field, not folded. */
export function pseudoHeaderSum(
  idsnHigh: number,
  idsnLow: number,
  dataOffset: number,
  subflowOffset: number,
  length: number,
  checksum: number,
): number {
  const high = dsnHigh(dataOffset, idsnLow, idsnHigh)
  const low = dsnLow(dataOffset, idsnLow)
  const ssn = subflowOffset >>> 0
  return (
    (high >>> 16) +
    (high & 0xffff) +
    (low >>> 16) +
    (low & 0xffff) +
    (ssn >>> 16) +
    (ssn & 0xffff) +
    length +
    checksum
  )
}

/** Sum of the first `length` bytes of a chain; of all of it if it holds fewer. */
export function chainSum(core: MptcpCore, chain: number, length: number): number {
  const { kernel } = core
  let sum = 0
  let at = 0
  let record = chain
  while (record !== 0 && at < length) {
    const whole = recordLength(core, record)
    const count = Math.min(whole, length - at)
    const part =
      count === whole
        ? kernel.mptcp_record_sum(record)
        : kernel.mptcp_checksum(recordPointer(core, record), count, 0)
    // Bytes at an odd place count in the other half of their word.
    sum += at & 1 ? ((part & 0xff) << 8) | (part >> 8) : part
    at += count
    record = nextRecord(core, record)
  }
  return fold(sum)
}
