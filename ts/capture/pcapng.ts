// A pcapng writer (draft-ietf-opsawg-pcapng, formerly draft-tuexen): one section, an interface per
// path, a block per packet with its direction. Pure bytes: where they go is the caller's affair. Each
// block is an array of its own, so that the caller may keep it until a file has taken it.

const SECTION_HEADER = 0x0a0d0d0a
const INTERFACE_DESCRIPTION = 1
const ENHANCED_PACKET = 6
const BYTE_ORDER_MAGIC = 0x1a2b3c4d
/**
 * Before each packet stands its family in four bytes. Of the link types for bare IP the one that libpcap, hence tcpdump,
 * takes of several interfaces: it compares LINKTYPE_RAW with what it has made of the first one's, which differs.
 */
const LINKTYPE_NULL = 0
const FAMILY_BYTES = 4
const FAMILY_IPV4 = 2
/** One of three; every reader knows them all. */
const FAMILY_IPV6 = 30

const OPTION_IF_NAME = 2
const OPTION_IF_TSRESOL = 9
const OPTION_EPB_FLAGS = 2
const NANOSECONDS = 9
const FLAG_INBOUND = 1
const FLAG_OUTBOUND = 2

const WORD = 2 ** 32

/** Up to a multiple of 4, as every field of variable length is. */
function padded(length: number): number {
  return (length + 3) & ~3
}

export class PcapngWriter {
  readonly #write: (bytes: Uint8Array) => void
  readonly #snaplens: number[] = []

  /** Writes the section header at once. */
  constructor(write: (bytes: Uint8Array) => void) {
    this.#write = write
    const { bytes, view } = block(SECTION_HEADER, 16)
    view.setUint32(8, BYTE_ORDER_MAGIC, true)
    view.setUint16(12, 1, true)
    view.setUint16(14, 0, true)
    view.setBigInt64(16, -1n, true) // section length: not told
    write(bytes)
  }

  /** Declares a path and returns the id that `packet` takes. `snaplen` 0 = no limit. */
  addInterface(name: string, snaplen: number): number {
    const text = new TextEncoder().encode(name)
    const { bytes, view } = block(INTERFACE_DESCRIPTION, 8 + 4 + padded(text.length) + 8 + 4)
    view.setUint16(8, LINKTYPE_NULL, true)
    view.setUint32(12, snaplen === 0 ? 0 : snaplen + FAMILY_BYTES, true)
    let at = 16
    view.setUint16(at, OPTION_IF_NAME, true)
    view.setUint16(at + 2, text.length, true)
    bytes.set(text, at + 4)
    at += 4 + padded(text.length)
    view.setUint16(at, OPTION_IF_TSRESOL, true)
    view.setUint16(at + 2, 1, true)
    bytes[at + 4] = NANOSECONDS
    this.#write(bytes)
    return this.#snaplens.push(snaplen) - 1
  }

  /** Records one IP packet; `timestampMs` is milliseconds since the Unix epoch, with fractions. */
  packet(
    interfaceId: number,
    timestampMs: number,
    bytes: Uint8Array,
    offset: number,
    length: number,
    direction: 'in' | 'out',
  ): void {
    const snaplen = this.#snaplens[interfaceId]
    if (snaplen === undefined) throw new RangeError(`no pcapng interface ${interfaceId}`)
    const kept = snaplen === 0 ? length : Math.min(length, snaplen)
    const captured = kept + FAMILY_BYTES
    const { bytes: out, view } = block(ENHANCED_PACKET, 20 + padded(captured) + 8 + 4)
    // Nanoseconds since 1970 pass 2^53: the product with 10^6 is made word by word.
    const whole = Math.floor(timestampMs)
    const low = (whole % WORD) * 1e6 + Math.round((timestampMs - whole) * 1e6)
    view.setUint32(8, interfaceId, true)
    view.setUint32(12, Math.floor(whole / WORD) * 1e6 + Math.floor(low / WORD), true)
    view.setUint32(16, low % WORD, true)
    view.setUint32(20, captured, true)
    view.setUint32(24, length + FAMILY_BYTES, true)
    view.setUint32(28, bytes[offset]! >> 4 === 6 ? FAMILY_IPV6 : FAMILY_IPV4, true)
    out.set(bytes.subarray(offset, offset + kept), 28 + FAMILY_BYTES)
    const at = 28 + padded(captured)
    view.setUint16(at, OPTION_EPB_FLAGS, true)
    view.setUint16(at + 2, 4, true)
    view.setUint32(at + 4, direction === 'in' ? FLAG_INBOUND : FLAG_OUTBOUND, true)
    this.#write(out)
  }
}

/** A block with type and both lengths filled in; zeros are its padding and its end of options. */
function block(type: number, bodyLength: number): { bytes: Uint8Array; view: DataView } {
  const total = bodyLength + 12
  const bytes = new Uint8Array(total)
  const view = new DataView(bytes.buffer)
  view.setUint32(0, type, true)
  view.setUint32(4, total, true)
  view.setUint32(total - 4, total, true)
  return { bytes, view }
}
