// The emulated host's own: sysctls reach the stack that is made later, and one that already runs.

import { describe, expect, it } from 'vitest'
import { Host } from '../../../ts/packetdrill/host/host.js'
import { settingsOf } from '../../../ts/packetdrill/host/settings.js'
import { restoreSysctls, setSysctl } from '../../../ts/packetdrill/host/sysctls.js'
import { parseScript } from '../../../ts/packetdrill/language/parse-script.js'

function host(): Host {
  const settings = settingsOf(parseScript('+0 f() = 0', 'x.pkt'), {})
  return new Host({ settings, core: 'js' })
}

describe('a sysctl', () => {
  it.each(['before', 'after'])('that is set %s the stack is made turns it', (when) => {
    const one = host()
    if (when === 'after') expect(one.stack.config.maxRtoMs).toBe(120_000)
    expect(setSysctl(one, 'net.ipv4.tcp_rto_max_ms', '5000')).toBeNull()
    expect(setSysctl(one, 'net.mptcp.checksum_enabled', '1')).toBeNull()
    expect(one.stack.config).toMatchObject({ maxRtoMs: 5000, checksum: true, mpCapableSyns: 3 })
    restoreSysctls(one)
    expect(one.stack.config).toMatchObject({ maxRtoMs: 120_000, checksum: false })
    one.close()
  })
})

it("Linux's defaults are those of the stack that is made", () => {
  const one = host()
  const { mptcp, sockets, ...settings } = one.config
  expect(sockets).toEqual({})
  expect(mptcp).toBe(true)
  expect(one.stack.config).toMatchObject(settings)
  expect(one.stack.config).not.toHaveProperty('mptcp')
  one.close()
})
