// What is no option, or of another kind than the option takes, is refused wherever a user gives options, in
// words that name it.

import { afterAll, describe, expect, it } from 'vitest'
import {
  type MptcpConnectOptions,
  MptcpEmulatedNetwork,
  type MptcpListenOptions,
  MptcpStack,
  type MptcpStackOptions,
  MptcpVirtualClock,
  openMptcpRawLinks,
} from '../ts/index.js'
import { lacksFunction, type OptionKinds, wrongOption } from '../ts/option-kinds.js'

interface Sample {
  checksum?: boolean
  rate?: number
  name?: string
  key?: Uint8Array
  paths?: readonly string[]
  told?: () => void
  end?: { host: string }
  clock?: { now(): number; stop(): void }
  core?: string | object
}

const KINDS: OptionKinds<Sample> = {
  checksum: 'boolean',
  rate: 'number',
  name: 'string',
  key: 'bytes',
  paths: 'list',
  told: 'function',
  end: 'object',
  clock: ['now', 'stop'],
  core: null,
}

describe('an options object', () => {
  it('with all of its options is right, and so is one with none', () => {
    const all: Required<Sample> = {
      checksum: true,
      rate: 1,
      name: 'x',
      key: new Uint8Array(1),
      paths: [],
      told: () => {},
      end: { host: 'a' },
      clock: { now: () => 0, stop() {} },
      core: 'js',
    }
    expect(wrongOption(all, KINDS)).toBeNull()
    expect(wrongOption({}, KINDS)).toBeNull()
    expect(wrongOption({ rate: undefined }, KINDS)).toBeNull()
  })

  it.each<[unknown, string]>([
    [{ chekcsum: true }, "there is no option 'chekcsum'; did you mean 'checksum'?"],
    [{ CheckSum: true }, "there is no option 'CheckSum'; did you mean 'checksum'?"],
    [
      { colour: undefined },
      `there is no option 'colour'; there is: ${Object.keys(KINDS).join(', ')}`,
    ],
    [{ toString: 1 }, `there is no option 'toString'; there is: ${Object.keys(KINDS).join(', ')}`],
    [{ checksum: 'yes' }, "checksum must be true or false, not 'yes'"],
    [{ checksum: null }, 'checksum must be true or false, not null'],
    [{ rate: '5' }, "rate must be a number, not '5'"],
    [{ name: 5 }, 'name must be a text, not 5'],
    [{ key: 'sixteen letters!' }, "key must be a Uint8Array, not 'sixteen letters!'"],
    [{ paths: 'eth0' }, "paths must be a list, not 'eth0'"],
    [{ told: {} }, 'told must be a function, not an object'],
    [{ end: () => {} }, 'end must be an object, not a function'],
    [{ clock: 5 }, 'clock must be an object with now(), not 5'],
    [{ clock: { now: () => 0 } }, 'clock lacks the function stop()'],
    [undefined, 'the options must be an object, not undefined'],
    [null, 'the options must be an object, not null'],
    ['x', "the options must be an object, not 'x'"],
  ])('%j is wrong: %s', (options, words) => {
    expect(wrongOption(options as Sample, KINDS)).toBe(words)
  })

  it('may have functions from its class', () => {
    expect(lacksFunction('clock', new MptcpVirtualClock(), ['now', 'at'])).toBeNull()
  })
})

const clock = new MptcpVirtualClock()
const network = new MptcpEmulatedNetwork({ clock })
const ends = {
  a: { host: 'a', addresses: ['10.0.0.1'] },
  b: { host: 'b', addresses: ['10.0.0.2'] },
}
network.path({ name: 'good', ...ends })

describe('of a stack', () => {
  const open = (options: object): Promise<MptcpStack> =>
    MptcpStack.open({
      links: network.links('a'),
      clock,
      core: 'js',
      ...options,
    } as MptcpStackOptions)

  it.each<[object, RegExp]>([
    [{ checksums: true }, /no option 'checksums'; did you mean 'checksum'\?/],
    [{ checksum: 'yes' }, /checksum must be true or false, not 'yes'/],
    [{ coalesceKey: 5 }, /coalesceKey must be a function, not 5/],
    [{ clock: {} }, /clock lacks the function now\(\)/],
    [{ random: { uint32: () => 4 } }, /random lacks the function float\(\)/],
    [{ memoryBytes: '64 MiB' }, /memoryBytes must be a number, not '64 MiB'/],
    [{ fastOpenKey: 'sixteen letters!' }, /fastOpenKey must be a Uint8Array/],
    [{ ports: 5000 }, /ports must be a list, not 5000/],
    [{ links: [{}] }, /links\[0\] lacks the function open\(\)/],
    [{ links: ['eth0'] }, /links\[0\] must be an object with open\(\), not 'eth0'/],
    [{ endpoints: [{ address: '10.0.0.1', signals: true }] }, /an endpoint: .* mean 'signal'\?/],
    [{ endpoints: [{ address: '10.0.0.1', backup: 1 }] }, /backup must be true or false, not 1/],
  ])('%j is refused', async (options, message) => {
    await expect(open(options)).rejects.toThrow(
      expect.objectContaining({
        code: 'ERR_MPTCP_OPTION',
        message: expect.stringMatching(message),
      }),
    )
  })

  const stack = open({})
  afterAll(async () => (await stack).close())

  it.each<[object, RegExp]>([
    [{ host: '10.0.0.2', port: 7, nodelay: true }, /no option 'nodelay'; did you mean 'noDelay'\?/],
    [{ host: '10.0.0.2', port: '7' }, /port must be a number, not '7'/],
    [{ host: 5, port: 7 }, /host must be a text, not 5/],
    [{ port: 7 }, /needs a host/],
    [{ host: '10.0.0.2', port: 7, plain: 'no' }, /plain must be true or false, not 'no'/],
  ])('of connect, %j is refused', async (options, message) => {
    const opened = await stack
    const connect = () => opened.connect(options as MptcpConnectOptions)
    expect(connect).toThrow(expect.objectContaining({ code: 'ERR_MPTCP_OPTION' }))
    expect(connect).toThrow(message)
  })

  it.each<[object, RegExp]>([
    [{ port: 7, backlgo: 5 }, /no option 'backlgo'; did you mean 'backlog'\?/],
    [{ port: 7, backlog: '5' }, /backlog must be a number, not '5'/],
  ])('of listen, %j is refused', async (options, message) => {
    const server = (await stack).createServer()
    const listen = () => server.listen(options as MptcpListenOptions)
    expect(listen).toThrow(expect.objectContaining({ code: 'ERR_MPTCP_OPTION' }))
    expect(listen).toThrow(message)
  })

  it('of the limits, a wrong name is refused', async () => {
    const { pathControl } = await stack
    expect(() => pathControl.setLimits({ subflow: 2 } as object)).toThrow(
      expect.objectContaining({
        code: 'ERR_MPTCP_OPTION',
        message: expect.stringMatching(/no option 'subflow'; did you mean 'subflows'\?/),
      }),
    )
  })
})

describe('of the emulated network', () => {
  const wrong = (message: RegExp) =>
    expect.objectContaining({ name: 'RangeError', message: expect.stringMatching(message) })

  it('a wrong name or clock is refused', () => {
    expect(() => new MptcpEmulatedNetwork({ clock, sead: 1 } as never)).toThrow(
      wrong(/network: there is no option 'sead'; did you mean 'seed'\?/),
    )
    expect(() => new MptcpEmulatedNetwork({ clock: { now: () => 0 } } as never)).toThrow(
      wrong(/network: clock lacks the function at\(\)/),
    )
  })

  it.each<[object, RegExp]>([
    [{ dealy: 10 }, /path p: there is no option 'dealy'; did you mean 'delay'\?/],
    [{ rates: 10 }, /path p: there is no option 'rates'; did you mean 'rate'\?/],
    [{ rate: '20e6' }, /path p: rate must be a number, not '20e6'/],
    [{ forward: { loses: 1 } }, /path p, forward: there is no option 'loses'/],
    [{ backward: 5 }, /path p: backward must be an object, not 5/],
    [{ a: { host: 'a', address: '10.0.0.1' } }, /path p, a: .* did you mean 'addresses'\?/],
    [{ b: undefined }, /path p, b: the options must be an object, not undefined/],
    [{ tso: 1 }, /path p: tso must be true or false, not 1/],
  ])('of a path, %j is refused', (options, message) => {
    expect(() => network.path({ name: 'p', ...ends, ...options })).toThrow(wrong(message))
  })

  it('of a change, a wrong name is refused and changes nothing', () => {
    const [path] = network.paths
    const change = { delay: 5, lose: 1 } as object
    expect(() => path!.set(change)).toThrow(wrong(/path good: there is no option 'lose'.*'loss'/))
    expect(() => path!.set({ name: 'x' } as object)).toThrow(wrong(/no option 'name'/))
    expect(path!.shape('a-to-b').delay).toBe(0)
  })
})

describe('of raw links', () => {
  it.each<[object, RegExp]>([
    [{ marks: 1 }, /raw links: there is no option 'marks'; did you mean 'mark'\?/],
    [{ onGuardLost: true }, /onGuardLost must be a function, not true/],
    [{ paths: 'lo' }, /paths must be 'auto' or a list, not 'lo'/],
    [{ paths: ['!lo'] }, /add 'auto'/],
    [{ paths: undefined }, /need a path/],
    [{ paths: [{ device: 'lo', adress: '127.0.0.1' }] }, /mean 'address'\?/],
  ])('%j is refused', async (options, message) => {
    const given = { paths: [{ device: 'lo' }], ports: [7], ...options }
    await expect(openMptcpRawLinks(given)).rejects.toThrow(
      expect.objectContaining({
        code: 'ERR_INVALID_ARG_VALUE',
        message: expect.stringMatching(message),
      }),
    )
  })
})
