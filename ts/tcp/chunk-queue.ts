// What is queued for sending on one subflow: chunks in order, each with a chain of records that it
// owns. Bytes stay here until this subflow's peer has acknowledged them, whatever happened elsewhere.

import type { Chunk, Tcb } from './tcb.js'

/** Queues a chain of `length` bytes behind what is there; the chunk takes over the records. */
export function append(
  tcb: Tcb,
  record: number,
  length: number,
  dataOffset: number,
  push: boolean,
  kind: number,
): Chunk {
  const start = tcb.snd.end
  const chunk = { start, end: start + length, record, dataOffset, push, sum: -1, kind }
  tcb.snd.end = chunk.end
  tcb.chunks.push(chunk)
  return chunk
}

/** Frees the chunks that are acknowledged up to `una`. */
export function release(tcb: Tcb, una: number): void {
  let chunk = tcb.chunks.first()
  while (chunk !== undefined && chunk.end <= una) {
    tcb.chunks.shift()
    tcb.core.kernel.mptcp_chain_free(chunk.record)
    chunk = tcb.chunks.first()
  }
}

/** The chunk that holds `offset`, which must lie before `snd.end`. */
export function chunkAt(tcb: Tcb, offset: number): Chunk {
  const last = tcb.chunks.last()
  if (last !== undefined && offset >= last.start) return last
  return tcb.chunks.at(tcb.chunks.lowerBound(offset + 1, (chunk) => chunk.end))
}

/** Bytes queued and never sent. */
export function unsentBytes(tcb: Tcb): number {
  return Math.max(0, tcb.snd.end - Math.max(tcb.snd.nxt, 1))
}

/** Frees everything: the subflow is gone. */
export function releaseAll(tcb: Tcb): void {
  release(tcb, Number.POSITIVE_INFINITY)
  tcb.sent.clear()
}
