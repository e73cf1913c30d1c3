// Numbers in network byte order. Plain shifts over a Uint8Array: V8 compiles them as well as a
// DataView's methods, and no view object has to be made or kept beside the bytes.

export function readU16(bytes: Uint8Array, at: number): number {
  return (bytes[at]! << 8) | bytes[at + 1]!
}

export function readU32(bytes: Uint8Array, at: number): number {
  return readI32(bytes, at) >>> 0
}

/** The same 32 bits as a signed number, which V8 never has to put in a box of its own. */
export function readI32(bytes: Uint8Array, at: number): number {
  return (bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!
}

export function writeU16(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value >>> 8
  bytes[at + 1] = value
}

export function writeU32(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value >>> 24
  bytes[at + 1] = value >>> 16
  bytes[at + 2] = value >>> 8
  bytes[at + 3] = value
}

/** A Uint8Array of its own: `slice` of a Buffer would only be a second view of the caller's bytes. */
export function copyBytes(bytes: Uint8Array, at: number, length: number): Uint8Array {
  const copy = new Uint8Array(length)
  for (let i = 0; i < length; i++) copy[i] = bytes[at + i]!
  return copy
}
