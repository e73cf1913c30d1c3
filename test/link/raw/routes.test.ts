import { describe, expect, it } from 'vitest'
import { isWithin, parsePrefix, RoutingTable } from '../../../ts/link/raw/routes.js'
import { type IpAddress, parseAddress } from '../../../ts/wire/address.js'

const address = (text: string): IpAddress => parseAddress(text)!
const MAIN = { priority: 32766, src: 'all', table: 'main' }
const LOCAL = { priority: 0, src: 'all', table: 'local' }

function table(
  routes: Parameters<typeof RoutingTable.from>[1],
  rules: Parameters<typeof RoutingTable.from>[0] = [LOCAL, MAIN],
  own = '10.1.2.2',
) {
  return RoutingTable.from(rules, routes, { device: 'u2', address: address(own), mark: 0x4d50 })
}

const hop = (of: RoutingTable, to: string, gateway: string | null = null) =>
  of.nextHop(address(to), gateway)

describe('the next hop of a raw link', () => {
  const connected = { dst: '10.1.2.0/24', scope: 'link', prefsrc: '10.1.2.2' }
  const byDefault = { dst: 'default', gateway: '10.1.2.1' }

  it('is a neighbour itself on the own network', () => {
    expect(hop(table([byDefault, connected]), '10.1.2.9')).toBe('10.1.2.9')
  })

  it('is the gateway of the longest prefix', () => {
    const routes = [byDefault, { dst: '10.7.0.0/16', gateway: '10.1.2.7' }, connected]
    expect(hop(table(routes), '10.1.1.1')).toBe('10.1.2.1')
    expect(hop(table(routes), '10.7.1.1')).toBe('10.1.2.7')
  })

  it('follows the rule for the own source address before the main table', () => {
    const rules = [
      LOCAL,
      { src: '10.1.2.2', table: '102' },
      { src: '10.1.1.2', table: '101' },
      MAIN,
    ]
    const routes = [
      { dst: 'default', gateway: '10.1.2.254' },
      { dst: 'default', gateway: '10.1.2.1', table: '102' },
      { dst: 'default', gateway: '10.1.2.99', table: '101' },
      connected,
    ]
    expect(hop(table(routes, rules), '10.1.1.1')).toBe('10.1.2.1')
  })

  it('follows rules by prefix, device and mark, and no others', () => {
    const routes = ['a', 'b', 'c', 'd', 'e'].map((name, i) => ({
      dst: 'default',
      gateway: `10.1.2.${i + 10}`,
      table: name,
    }))
    const of = (...rules: object[]) => hop(table(routes, rules), '8.8.8.8')
    const last = { src: 'all', table: 'e' }
    expect(of({ src: '10.1.2.0', srclen: 24, table: 'a' }, last)).toBe('10.1.2.10')
    expect(of({ src: '10.1.3.0', srclen: 24, table: 'a' }, last)).toBe('10.1.2.14')
    expect(of({ src: 'all', fwmark: '0x4d50', table: 'b' }, last)).toBe('10.1.2.11')
    expect(of({ src: 'all', fwmark: '0x50', fwmask: '0xff', table: 'b' }, last)).toBe('10.1.2.11')
    expect(of({ src: 'all', fwmark: '0x51', table: 'b' }, last)).toBe('10.1.2.14')
    expect(of({ src: 'all', oif: 'u2', table: 'c' }, last)).toBe('10.1.2.12')
    expect(of({ src: 'all', oif: 'u1', table: 'c' }, last)).toBe('10.1.2.14')
    expect(of({ src: 'all', iif: 'u2', table: 'd' }, last)).toBe('10.1.2.14')
    expect(of({ not: null, src: '10.9.9.9', table: 'd' }, last)).toBe('10.1.2.14')
  })

  it('is the given gateway, except for neighbours', () => {
    const routes = [byDefault, connected]
    expect(hop(table(routes), '10.1.1.1', '10.1.2.50')).toBe('10.1.2.50')
    expect(hop(table(routes), '10.1.2.9', '10.1.2.50')).toBe('10.1.2.9')
    expect(hop(table([]), '10.1.1.1', '10.1.2.50')).toBe('10.1.2.50')
  })

  it('is the destination where there is no route, or the device has one end only', () => {
    expect(hop(table([]), '10.1.1.1')).toBe('10.1.1.1')
    expect(hop(table([{ dst: 'default' }]), '10.1.1.1')).toBe('10.1.1.1')
  })

  it('ignores routes that are not for sending', () => {
    const routes = [{ type: 'broadcast', dst: '10.1.1.0/24' }, byDefault]
    expect(hop(table(routes), '10.1.1.1')).toBe('10.1.2.1')
  })

  it('works for IPv6', () => {
    const routes = [
      { dst: 'fd01:2::/64' },
      { dst: 'fe80::/64' },
      { dst: 'default', gateway: 'fe80::1' },
    ]
    const of = table(routes, [LOCAL, MAIN], 'fd01:2::2')
    expect(hop(of, 'fd01:2::9')).toBe('fd01:2::9')
    expect(hop(of, 'fd01:1::1')).toBe('fe80::1')
  })
})

describe('prefixes', () => {
  it.each([
    ['10.1.2.3', '10.1.2.0/24', true],
    ['10.1.3.3', '10.1.2.0/24', false],
    ['10.1.3.3', '10.1.2.0/23', true],
    ['10.1.3.3', '10.1.3.3', true],
    ['10.1.3.3', 'default', true],
    ['fd01:2::9', 'fd01:2::/64', true],
    ['fd01:3::9', 'fd01:2::/31', true],
    ['fd01:3::9', 'fd01:2::/32', false],
    ['8000::', '::/1', false],
  ])('%s in %s: %s', (inside, prefix, expected) => {
    const parsed = parsePrefix(prefix, inside.includes(':') ? 6 : 4)
    expect(parsed && isWithin(address(inside), parsed.prefix, parsed.bits)).toBe(expected)
  })
})
