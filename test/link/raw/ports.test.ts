import { describe, expect, it } from 'vitest'
import { listCovers, PortSet, portNumbers, portRanges } from '../../../ts/link/raw/ports.js'

describe('the ports of raw links', () => {
  it('are a range or a list, and grow', () => {
    const set = new PortSet({ first: 100, last: 102 })
    set.add([7, 65535])
    expect([99, 100, 102, 103, 7, 65535].map((port) => set.has(port))).toEqual([
      false,
      true,
      true,
      false,
      true,
      true,
    ])
  })

  it.each([
    [{ first: 5, last: 4 }],
    [{ first: 0, last: 4 }],
    [{ first: 1.5, last: 4 }],
    [[]],
    [[65536]],
    [[Number.NaN]],
  ])('refuses %j', (ports) => {
    expect(() => portNumbers(ports)).toThrowError(
      expect.objectContaining({ code: 'ERR_INVALID_ARG_VALUE' }),
    )
  })

  it('are written and read as nftables does', () => {
    expect(portRanges({ first: 5, last: 9 })).toBe('5-9')
    expect(portRanges({ first: 5, last: 5 })).toBe('5')
    expect(portRanges([9, 5, 9])).toBe('5, 9')
    expect(listCovers('5, 100-300', [5, 100, 299, 300])).toBe(true)
    expect(listCovers('5, 100-300', { first: 299, last: 301 })).toBe(false)
    expect(listCovers('', [1])).toBe(false)
  })
})
