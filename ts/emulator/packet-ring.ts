// Packets in flight, first in, first out: their bytes lie one after the other in one slab, so that a
// batch of them can be handed over without a copy. The slab doubles as it fills, up to a bound.

const FIRST_SLAB_BYTES = 16 * 1024
const FIRST_ENTRIES = 64
/** Packets start on a multiple of this, which copies like. */
const ALIGN = 8

export class PacketRing {
  /** The slab. Replaced when it grows: a view that someone was lent keeps the old one unchanged. */
  bytes = new Uint8Array(FIRST_SLAB_BYTES)
  /** Packets held. */
  count = 0
  /** Bytes of the packets held. */
  heldBytes = 0
  /** The first `lent` packets are in someone's hands and must stay where they are. */
  lent = 0
  readonly #maxBytes: number
  /** The slot of packet 0; packet i lies in slot (first + i) & mask. */
  #first = 0
  #mask = FIRST_ENTRIES - 1
  /** Where the last packet ends in the slab. Not beyond the first packet's start: it has wrapped. */
  #tail = 0
  #offset = new Uint32Array(FIRST_ENTRIES)
  #length = new Uint32Array(FIRST_ENTRIES)
  #gsoSize = new Uint32Array(FIRST_ENTRIES)
  #needsCsum = new Uint8Array(FIRST_ENTRIES)
  /** When the packet has left the queue, in milliseconds. */
  #departure = new Float64Array(FIRST_ENTRIES)
  /** When the packet reaches the other end; never before that of the packet ahead of it. */
  #arrival = new Float64Array(FIRST_ENTRIES)

  /** Bounded: `maxBytes` of slab, so that no sender can fill the process's memory. */
  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes
  }

  offset(i: number): number {
    return this.#offset[(this.#first + i) & this.#mask]!
  }

  length(i: number): number {
    return this.#length[(this.#first + i) & this.#mask]!
  }

  gsoSize(i: number): number {
    return this.#gsoSize[(this.#first + i) & this.#mask]!
  }

  needsCsum(i: number): number {
    return this.#needsCsum[(this.#first + i) & this.#mask]!
  }

  arrival(i: number): number {
    return this.#arrival[(this.#first + i) & this.#mask]!
  }

  /** When the first packet that nobody was lent arrives; Infinity when there is none. */
  nextArrival(): number {
    return this.lent < this.count ? this.arrival(this.lent) : Number.POSITIVE_INFINITY
  }

  /**
   * Copies a packet in behind the others, arriving no earlier than they do. Returns where in `bytes`
   * it now starts, or -1 when the ring is full.
   */
  push(
    source: Uint8Array,
    start: number,
    length: number,
    gsoSize: number,
    needsCsum: boolean,
    departure: number,
    arrival: number,
  ): number {
    const offset = this.#allocate(Math.max(ALIGN, (length + ALIGN - 1) & -ALIGN))
    if (offset < 0) return -1
    if (this.count > this.#mask) this.#growEntries()
    const slot = (this.#first + this.count) & this.#mask
    const ahead = this.count > 0 ? this.arrival(this.count - 1) : arrival
    this.bytes.set(source.subarray(start, start + length), offset)
    this.#offset[slot] = offset
    this.#length[slot] = length
    this.#gsoSize[slot] = gsoSize
    this.#needsCsum[slot] = needsCsum ? 1 : 0
    this.#departure[slot] = departure
    this.#arrival[slot] = Math.max(arrival, ahead)
    this.count++
    this.heldBytes += length
    return offset
  }

  /** Gives up the first `n` packets. */
  release(n: number): void {
    for (let i = 0; i < n; i++) this.heldBytes -= this.length(i)
    this.#first = (this.#first + n) & this.#mask
    this.count -= n
    this.lent = Math.max(0, this.lent - n)
  }

  /** Gives up all packets but those lent; returns how many. */
  clear(): number {
    const dropped = this.count - this.lent
    for (let i = this.lent; i < this.count; i++) this.heldBytes -= this.length(i)
    this.count = this.lent
    if (this.count > 0) this.#tail = this.#endOf(this.count - 1)
    return dropped
  }

  /**
   * Packets that wait to depart after `now` do so sooner or later by `factor`, as the rate has
   * changed; how long they then take to arrive stays the same.
   */
  rescale(now: number, factor: number): void {
    let ahead = Number.NEGATIVE_INFINITY
    for (let i = 0; i < this.count; i++) {
      const slot = (this.#first + i) & this.#mask
      const departure = this.#departure[slot]!
      if (departure > now) {
        const onTheWay = this.#arrival[slot]! - departure
        this.#departure[slot] = now + (departure - now) * factor
        this.#arrival[slot] = Math.max(ahead, this.#departure[slot]! + onTheWay)
      }
      ahead = this.#arrival[slot]!
    }
  }

  #endOf(i: number): number {
    return this.offset(i) + Math.max(ALIGN, (this.length(i) + ALIGN - 1) & -ALIGN)
  }

  #allocate(size: number): number {
    // Starting over when empty keeps a lightly loaded path within a few lines of cache.
    if (this.count === 0) this.#tail = 0
    for (;;) {
      const head = this.count === 0 ? -1 : this.offset(0)
      let offset = -1
      if (this.#tail <= head) {
        if (head - this.#tail >= size) offset = this.#tail
      } else if (this.bytes.length - this.#tail >= size) {
        offset = this.#tail
      } else if (head >= size) {
        offset = 0
      }
      if (offset >= 0) {
        this.#tail = offset + size
        return offset
      }
      if (!this.#growSlab()) return -1
    }
  }

  #growSlab(): boolean {
    if (this.bytes.length * 2 > this.#maxBytes) return false
    const bytes = new Uint8Array(this.bytes.length * 2)
    let tail = 0
    for (let i = 0; i < this.count; i++) {
      const offset = this.offset(i)
      const end = this.#endOf(i)
      bytes.set(this.bytes.subarray(offset, end), tail)
      this.#offset[(this.#first + i) & this.#mask] = tail
      tail += end - offset
    }
    this.bytes = bytes
    this.#tail = tail
    return true
  }

  #growEntries(): void {
    const order = Array.from({ length: this.count }, (_, i) => (this.#first + i) & this.#mask)
    const move = <T extends Uint8Array | Uint32Array | Float64Array>(from: T, to: T): T => {
      for (let i = 0; i < order.length; i++) to[i] = from[order[i]!]!
      return to
    }
    const size = (this.#mask + 1) * 2
    this.#offset = move(this.#offset, new Uint32Array(size))
    this.#length = move(this.#length, new Uint32Array(size))
    this.#gsoSize = move(this.#gsoSize, new Uint32Array(size))
    this.#needsCsum = move(this.#needsCsum, new Uint8Array(size))
    this.#departure = move(this.#departure, new Float64Array(size))
    this.#arrival = move(this.#arrival, new Float64Array(size))
    this.#first = 0
    this.#mask = size - 1
  }
}
