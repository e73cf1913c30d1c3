// What a scheduler is: asked for each piece of new data which subflow takes it, it answers with one of
// the candidates or null for "wait". It sees plain numbers and sends nothing itself.

/** A subflow as a scheduler sees it. Read-only, valid during the call. */
export interface MptcpSchedulerSubflow {
  readonly id: number
  /** Smoothed round-trip time, ms; 0 = not known yet. */
  readonly srttMs: number
  /** Congestion window, bytes. */
  readonly cwndBytes: number
  /** Bytes in flight and queued on the subflow. */
  readonly inflightBytes: number
  /** Bytes that its congestion window still takes: at least a segment. */
  readonly usableBytes: number
  readonly backup: boolean
}

export interface MptcpScheduler {
  readonly name: string
  /**
   * Picks a subflow for the next data. `candidates` have room in their congestion windows, work, and
   * are backups only if nothing else works; there is at least one. Null = send nothing now: asked again
   * at the next event.
   */
  pick(candidates: readonly MptcpSchedulerSubflow[]): MptcpSchedulerSubflow | null
}
