// The contract of the hot core, in prose. Two twins keep it: assembly/ compiled to WebAssembly, and
// js/. Same results bit for bit, the same memory image after the same calls. One instance serves
// one stack: it owns one fixed block of memory that is laid out by layout.ts and never grows.
//
// Pointers are byte addresses in that block; 0 means none. Stream offsets are plain numbers (f64).
// No call goes from the core to TypeScript: what was freed is left in a list (see `Extensions`).
//
// Slots. Payload lies in slots of 2,048 bytes. A slot is a counted reference, charged to one account.
// Records. A record is a slice of one slot: {offset, length, bytes, next, extension, key, sum}, so
// trimming it or cutting it in two copies nothing. Records are chained through `next`; a segment larger
// than a slot is a chain. Freeing a record drops one reference of its slot; the last one frees the slot.
// Extensions. A record may carry a counted handle of private protocol data (the DSS mapping that it
// came by). Slicing a record counts the handle up, freeing counts it down: there is no copy hook. When
// the count reaches zero, the handle is put in the freed list, which is the destructor: TypeScript
// drains it and recycles the handle.
// Accounts. Each connection charges its slots to an account with a limit; a privileged taking (the next
// in-order segment, and only that) may pass the limit and use the slots held in reserve.
// Queues. An ofo queue holds records of one stream by offset: runs (contiguous byte ranges) in a treap,
// each with its chain of records. `head` is the first byte not yet popped, `end` the end of the
// contiguous bytes from head. Inserting trims what is already there, or was popped; first come wins.
// Coalescing. Within a run, a record may be joined to the one before it: its bytes are copied behind
// those of the tail record when they fit in that record's slot and nobody else refers to it. The mode
// says when joining is allowed (see `CoalesceMode`); runs and SACK ranges never depend on it.

/**
 * When a record may join the chain's record before it.
 * BYPASS: never. EQUAL: when both keys are equal (say, the number of a TLS record). ABUT: when the new
 * key is the old key plus the old length, modulo 2^32: the key is then a position in another number
 * space, and joining keeps both contiguous (DSS mappings: the low 32 bits of the data offset).
 * A record with key `KEY_NONE` never joins in EQUAL or ABUT.
 */
export const COALESCE_BYPASS = 0
export const COALESCE_EQUAL = 1
export const COALESCE_ABUT = 2
export type CoalesceMode = 0 | 1 | 2
export const KEY_NONE = 0xffffffff

/** What `mptcp_queue_insert` did with the last record of its chain (header word RESULT_VERDICT). */
export const INSERTED_IN_ORDER = 1 // it continued the bytes at `end`
export const INSERTED_TAIL = 2 // it continued the last run, which is out of order
export const INSERTED_HINT = 3 // it continued the run that this hint inserted into before
export const INSERTED_MERGED = 4 // it joined or overlapped other runs
export const INSERTED_NEW_RUN = 5 // it stands alone, out of order
export const INSERTED_NOTHING = 6 // a duplicate, or refused for lack of memory

/** The core's functions on pointers: what the hot path calls. All numbers, never a BigInt. */
export interface MptcpKernel {
  /**
   * Internet checksum (RFC 1071) of `length` bytes: the ones' complement sum, 16 bits, big-endian, not
   * inverted, with `seed` (a sum of the same kind, of bytes of even length) added. A sum of no bytes
   * with seed 0 is 0; any other sum that is congruent to 0 is 0xffff.
   */
  mptcp_checksum(pointer: number, length: number, seed: number): number
  /** The same, while copying the bytes to `target`; the ranges do not overlap. */
  mptcp_copy_checksum(target: number, source: number, length: number, seed: number): number
  /** SHA-256 (FIPS 180-4): writes 32 bytes at `digest`. */
  mptcp_sha256(message: number, length: number, digest: number): void
  /**
   * SHA-256 in pieces, for what does not fit in memory at once: a state is eight u32 at an address that
   * is a multiple of 4. `_start` writes the initial one.
   */
  mptcp_sha256_start(state: number): void
  /** Compresses `count` blocks of 64 bytes into the state. */
  mptcp_sha256_blocks(state: number, pointer: number, count: number): void
  /**
   * Compresses the last `length` bytes after `before` bytes of whole blocks, and writes 32 bytes at
   * `digest`. The state is used up.
   */
  mptcp_sha256_finish(
    state: number,
    before: number,
    pointer: number,
    length: number,
    digest: number,
  ): void
  /** HMAC-SHA256 (RFC 2104): writes 32 bytes at `digest`; the last key's midstates are kept. */
  mptcp_hmac_sha256(
    key: number,
    keyLength: number,
    message: number,
    messageLength: number,
    digest: number,
  ): void

  /** Reads the layout from the header and empties every pool. */
  mptcp_reset(): void

  /** A new account that may hold `limit` slots; 0 if there is none left. */
  mptcp_account_take(limit: number): number
  /** Gives an account back; its slots must all be free. */
  mptcp_account_release(account: number): void

  /** A new handle with a count of 1 (the taker's own); 0 if there is none left. */
  mptcp_extension_take(): number
  mptcp_extension_hold(extension: number): void
  /** Counts down; at zero the handle goes to the freed list. */
  mptcp_extension_release(extension: number): void
  /** After TypeScript has read a handle in the freed list: it may be taken again. */
  mptcp_extension_recycle(extension: number): void

  /**
   * A record of length 0 over a fresh slot, for the caller to fill: it writes at `bytes` and sets
   * `length`. 0 when the account's limit or the memory forbids it.
   */
  mptcp_record_take(account: number, privileged: number): number
  /**
   * A second record over the same slot: `length` bytes, at least 1, from `skip` on; offset and key (but
   * KEY_NONE) move along, so under EQUAL the caller puts the key back. 0 if there is no record left.
   */
  mptcp_record_slice(record: number, skip: number, length: number): number
  /** Frees one record (not those after it). */
  mptcp_record_free(record: number): void
  /** Frees a record and all those after it. */
  mptcp_chain_free(record: number): void
  /**
   * Bytes that a record's own slot can still take behind it: 0 unless nobody else refers to the slot.
   */
  mptcp_record_slack(record: number): number
  /** Sum of the record's bytes as `mptcp_checksum` gives it; kept from the copying if untrimmed. */
  mptcp_record_sum(record: number): number
  /**
   * Copies `length` bytes at `source` into fresh slots while summing: the chain's first record, or 0
   * (and nothing taken). The records get offsets from `offset` on, the extension (held once for each)
   * and `key`, which advances with the bytes when `mode` is ABUT and is not KEY_NONE. Header word
   * RESULT_SUM is the sum of all the bytes.
   */
  mptcp_payload_take(
    account: number,
    privileged: number,
    source: number,
    length: number,
    offset: number,
    extension: number,
    key: number,
    mode: number,
  ): number
  /**
   * Copies `length` bytes, from `skip` bytes into the chain on, to `target` and returns their sum. The
   * chain must hold that many.
   */
  mptcp_chain_copy(record: number, skip: number, length: number, target: number): number

  /** A new, empty queue whose head is `head`; 0 if there is none left. */
  mptcp_queue_take(mode: number, head: number): number
  /** Frees the queue and every record in it. */
  mptcp_queue_release(queue: number): void
  /**
   * Takes over a chain of records (each with its own offset; ascending) and returns the number of
   * new bytes. `hint` (0 to 7) names who inserts, for the hint fast path. Header words: RESULT_VERDICT,
   * RESULT_DUPLICATE (bytes refused as already there or popped), RESULT_REFUSED (bytes dropped for lack
   * of runs or records; the last runs are kept for the bytes at `end`). IN_ORDER goes before the other
   * verdicts, MERGED before the rest.
   */
  mptcp_queue_insert(queue: number, chain: number, hint: number): number
  /**
   * Removes and returns the record at head, at most `limit` bytes of it (cut in two if it is longer),
   * and moves head on; 0 if the byte at head has not come, and if there is no record left to cut with.
   */
  mptcp_queue_pop(queue: number, limit: number): number
  /** The run that holds `offset`, or the first one after it; 0 if there is none. */
  mptcp_queue_find_run(queue: number, offset: number): number
  /**
   * Copies records of each run together into as few slots as the mode allows; returns the slots
   * that became free.
   */
  mptcp_queue_collapse(queue: number): number
  /** Frees the last run if it is out of order, for memory's sake; returns the bytes dropped. */
  mptcp_queue_prune(queue: number): number
}

/** What MP_JOIN and ADD_ADDR, RFC 8684 §3.2 and §3.4.1, need of an 8-byte key. */
export interface MptcpDerivedKey {
  /** Most significant 32 bits of SHA-256(key). */
  readonly token: number
  /** Initial data sequence number: least significant 64 bits of SHA-256(key). */
  readonly idsn: bigint
}

/** A loaded core: the accelerated module on its own, and the memory of a stack. */
export interface MptcpCore {
  readonly backend: 'wasm' | 'js'
  readonly kernel: MptcpKernel
  readonly memory: ArrayBuffer
  /** Views of `memory`; index u32 and i32 by pointer >> 2, f64 by pointer >> 3. */
  readonly u8: Uint8Array
  readonly u32: Uint32Array
  readonly f64: Float64Array

  /**
   * Internet checksum of `bytes`: the ones' complement sum, 16 bits, big-endian, not inverted.
   * `seed` is a sum of the same kind, over bytes of even length. Source: RFC 1071.
   */
  checksum(bytes: Uint8Array, seed?: number): number
  /** SHA-256 of `bytes`: 32 bytes. Source: FIPS 180-4. */
  sha256(bytes: Uint8Array): Uint8Array
  /** HMAC-SHA256: 32 bytes. Source: RFC 2104. */
  hmacSha256(key: Uint8Array, message: Uint8Array): Uint8Array
  /** Token and IDSN of an 8-byte key; RangeError if it has another length. Source: RFC 8684 §3.1. */
  deriveKey(key: Uint8Array): MptcpDerivedKey
  /**
   * HMAC of MP_JOIN, 32 bytes: key = ownKey | otherKey, message = ownNonce | otherNonce, where "own" is
   * the host that sends it. Keys 8 bytes, nonces 32-bit numbers. Source: RFC 8684 §3.2.
   */
  joinHmac(
    ownKey: Uint8Array,
    otherKey: Uint8Array,
    ownNonce: number,
    otherNonce: number,
  ): Uint8Array
  /**
   * Rightmost 64 bits of the HMAC of ADD_ADDR, 8 bytes: key = ownKey | otherKey ("own" announces),
   * message = address id, address (4 or 16 bytes), port (0 = none). Source: RFC 8684 §3.4.1.
   */
  addAddressHmac(
    ownKey: Uint8Array,
    otherKey: Uint8Array,
    addressId: number,
    address: Uint8Array,
    port: number,
  ): Uint8Array
}
