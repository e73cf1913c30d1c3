/** `length` bytes of the stream from `offset` on; fewer where the block ends. */
export function patternBytes(seed: number, offset: number, length: number): Buffer
/** Offset in the stream of the first byte that differs, or -1. `bytes` stand at `offset`. */
export function patternMismatch(seed: number, offset: number, bytes: Uint8Array): number
