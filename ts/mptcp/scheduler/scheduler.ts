// What a scheduler is: shown the subflows and the data at hand, it answers which of them take how much. It
// sees plain numbers and sends nothing itself.

/** A subflow as a scheduler sees it. Read-only, valid during the call; bytes and milliseconds. */
export interface MptcpSchedulerSubflow {
  readonly id: number
  /** Smoothed round-trip time and its variance (RFC 6298), and the smallest seen; 0 = not known yet. */
  readonly srttMs: number
  readonly rttVarianceMs: number
  readonly minRttMs: number
  readonly cwndBytes: number
  /** Believed to be in the network. */
  readonly inflightBytes: number
  /** Given to the subflow and not sent yet. */
  readonly queuedBytes: number
  /**
   * What it takes now: at least a segment, or 0. It is 0 where the congestion window is full, and for data that
   * goes again on the subflow that it goes again from.
   */
  readonly usableBytes: number
  /** Payload of a full segment. */
  readonly mssBytes: number
  /** Bytes a second: delivered of late, 0 = not known yet; and what the congestion control would pace at. */
  readonly deliveryRate: number
  readonly pacingRate: number
  /** Segments that were sent again so far. */
  readonly retransmits: number
  /** Either side wants it used only where nothing else works. */
  readonly backup: boolean
  /** It has timed out, and has not been heard of since. */
  readonly stale: boolean
}

/** The data that waits. Read-only, valid during the call. */
export interface MptcpSchedulerData {
  /** Written by the application and given to no subflow yet, bytes. */
  readonly unsentBytes: number
  /** How much of it the peer's window, which all subflows share, still takes. */
  readonly windowBytes: number
  /** The range at hand: where it begins in the data (the first byte is 1), and its bytes. */
  readonly offset: number
  readonly bytes: number
  /** It was given to a subflow already, which does not deliver it, and goes again on another. */
  readonly again: boolean
  /** The id of the subflow that it goes again from; -1 = new data, or of several. */
  readonly from: number
}

/** A part of the answer: this subflow takes at most so many bytes of the range. Infinity = all it has room for. */
export interface MptcpScheduled {
  readonly subflow: MptcpSchedulerSubflow
  readonly bytes: number
}

export interface MptcpScheduler {
  /**
   * Which subflows take the range at hand, from its start. The first one named that has room decides how much;
   * the others named take copies of that (redundancy), which wait in their queues where they have none. None
   * means that the data waits, until something happens on the connection. What is not taken is asked for again
   * at once.
   *
   * Asked in the stack's turn. One that throws, or answers what is no answer (a foreign subflow, one twice, a number
   * that is none, nothing for longer than a timeout while nothing is in flight), is replaced by the default for that
   * connection: counted as SchedulerFault, and the first error of a stack becomes a process warning.
   */
  schedule(
    subflows: readonly MptcpSchedulerSubflow[],
    data: MptcpSchedulerData,
  ): readonly MptcpScheduled[]
}

export interface MptcpSchedulerAlgorithm {
  readonly name: string
  /** Makes one connection's scheduler. */
  create(): MptcpScheduler
}
