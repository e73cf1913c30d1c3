// What recvmsg() gives beside the bytes: control messages, and those of the error queue.

/** Linux's struct sock_extended_err. */
export interface MptcpExtendedError {
  readonly ee_errno: number
  readonly ee_origin: number
  readonly ee_type: number
  readonly ee_code: number
  readonly ee_info: number
  readonly ee_data: number
}

/** One control message. */
export interface MptcpControlMessage {
  level: number
  type: number
  value: number | MptcpExtendedError
}

/** What recvmsg() fills in beside the bytes. */
export interface MptcpMessage {
  /** As of `read`. */
  count: number
  control: MptcpControlMessage[]
}
