// `--pcap FILE`: a pcapng file with an interface for each link, written as the packets pass. Writing is
// synchronous and in large pieces: what passed is in the file even if the process ends at once.

import { closeSync, openSync, writeSync } from 'node:fs'
import { PcapngWriter } from '../capture/pcapng.js'
import { captureLink } from '../link/capture.js'
import type { Link, LinkSource } from '../link/link.js'
import { oneLine, usageError } from './failure.js'

const PIECE_BYTES = 256 * 1024

export class CaptureFile {
  readonly #path: string
  readonly #fd: number
  readonly #writer: PcapngWriter
  readonly #piece = new Uint8Array(PIECE_BYTES)
  #used = 0
  #open = true

  constructor(path: string) {
    this.#path = path
    try {
      this.#fd = openSync(path, 'w')
    } catch (error) {
      throw usageError(`cannot write ${path}: ${oneLine(error)}`)
    }
    this.#writer = new PcapngWriter((bytes) => this.#append(bytes))
  }

  /** The link, with what passes over it written to the file. */
  tap(link: Link): Link {
    const id = this.#writer.addInterface(link.name, 0)
    return captureLink(link, (direction, bytes, offset, length) => {
      if (!this.#open) return
      const timestamp = performance.timeOrigin + performance.now()
      this.#writer.packet(id, timestamp, bytes, offset, length, direction)
    })
  }

  /** The links that there are, and those that come. */
  tapAll(source: LinkSource): LinkSource {
    const tapped = new Map(source.links.map((link) => [link, this.tap(link)]))
    return {
      links: [...tapped.values()],
      watchLinks: ({ added, removed }) =>
        source.watchLinks({
          added: (link) => {
            const tap = this.tap(link)
            tapped.set(link, tap)
            added(tap)
          },
          removed: (link) => removed(tapped.get(link) ?? link),
        }),
    }
  }

  close(): void {
    if (!this.#open) return
    this.#flush()
    this.#open = false
    closeSync(this.#fd)
  }

  #append(bytes: Uint8Array): void {
    if (this.#used + bytes.length > PIECE_BYTES) this.#flush()
    if (bytes.length > PIECE_BYTES) this.#write(bytes)
    else {
      this.#piece.set(bytes, this.#used)
      this.#used += bytes.length
    }
  }

  #flush(): void {
    this.#write(this.#piece.subarray(0, this.#used))
    this.#used = 0
  }

  #write(bytes: Uint8Array): void {
    try {
      for (let at = 0; at < bytes.length; ) at += writeSync(this.#fd, bytes, at)
    } catch (error) {
      throw usageError(`cannot write ${this.#path}: ${oneLine(error)}`)
    }
  }
}
