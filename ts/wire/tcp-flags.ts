// The control bits of the TCP header, RFC 9293 §3.1 and RFC 3168 §6.1. In a file of their own because
// both segment.ts and the options that a segment is made of need them.

export const FIN = 0x01
export const SYN = 0x02
export const RST = 0x04
export const PSH = 0x08
export const ACK = 0x10
export const URG = 0x20
export const ECE = 0x40
export const CWR = 0x80
