// What segmentArrives says of a segment, as bits: TCP reports, its caller acts.

export type Outcome = number

/** The segment was acceptable: its options count. */
export const ACCEPTABLE = 1
/** The handshake is complete: SYN-SENT or SYN-RECEIVED became ESTABLISHED. */
export const SYN_ACKED = 2
/** RCV.NXT moved: there is text to read, or the FIN. */
export const TEXT = 4
/** Something of ours was acknowledged for the first time. */
export const ACKED = 8
/** The peer's FIN was reached. */
export const FIN_REACHED = 16
/** A valid RST: the connection is gone. */
export const RESET = 32
/** The segment must be answered with a RST (RFC 9293 §3.10.7.1). */
export const SEND_RESET = 64
/** Our FIN was acknowledged. */
export const FIN_ACKED = 128
