// The table of 4-tuples: those that differ only in our address have one hash, and are chained.

import { describe, expect, it } from 'vitest'
import { Demux, type DemuxEntry, type FourTuple } from '../../ts/stack/demux.js'
import { parseAddress } from '../../ts/wire/address.js'

const REMOTE = parseAddress('10.0.9.9')!

interface Entry extends DemuxEntry<Entry> {}

function tupleFrom(local: string): FourTuple {
  const path = { address: parseAddress(local)! }
  return { path, localPort: 80, remote: REMOTE, remotePort: 5000 }
}

describe('demux', () => {
  const locals = ['10.0.1.1', '10.0.1.2', '10.0.1.3']

  it.each([[[0, 1, 2]], [[2, 1, 0]], [[1, 0, 2]]])(
    'finds what is left after removing in order %j',
    (order) => {
      const demux = new Demux<Entry>()
      const tuples = locals.map(tupleFrom)
      for (const tuple of tuples) demux.add({ tuple, next: null })
      const found = () =>
        locals.map((local) => demux.find(parseAddress(local)!, 80, REMOTE, 5000)?.tuple)
      expect(found()).toEqual(tuples)
      const left: (FourTuple | undefined)[] = [...tuples]
      for (const index of order) {
        demux.remove(tuples[index]!)
        left[index] = undefined
        expect(found()).toEqual(left)
      }
      demux.remove(tuples[0]!)
    },
  )

  it('gives the one that came first where two are alike', () => {
    const demux = new Demux<Entry>()
    const [first, second] = [tupleFrom('10.0.1.1'), tupleFrom('10.0.1.1')]
    demux.add({ tuple: first, next: null })
    demux.add({ tuple: second, next: null })
    const find = () => demux.find(parseAddress('10.0.1.1')!, 80, REMOTE, 5000)?.tuple
    expect(find()).toBe(first)
    demux.remove(first)
    expect(find()).toBe(second)
  })
})
