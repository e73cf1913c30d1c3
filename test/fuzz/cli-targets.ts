// What a user types that is more than a word: `--path`. It is read, or refused in one sentence.

import { isDeepStrictEqual } from 'node:util'
import { InvalidArgumentError } from 'commander'
import { parsePathOption } from '../../ts/cli/path-option.js'
import { parseAddress } from '../../ts/wire/address.js'
import { bytesOf, check, type Target, textOf } from './target.js'

function runPathOption(input: Uint8Array): void {
  const text = textOf(input)
  let path: ReturnType<typeof parsePathOption>
  try {
    path = parsePathOption(text)
  } catch (error) {
    if (error instanceof InvalidArgumentError) return
    throw error
  }
  for (const address of [path.address, path.gateway]) {
    check(address === undefined || parseAddress(address) !== null, 'no address')
  }
  const { device, address, gateway, flags } = path
  const where = `${device}${address === undefined ? '' : `=${address}`}`
  const again = [`${where}${gateway === undefined ? '' : `@${gateway}`}`, ...flags].join(',')
  check(isDeepStrictEqual(parsePathOption(again), path), `'${again}' reads as something else`)
}

const PATHS = [
  'eth0',
  'eth0=10.0.0.1',
  'wlan0=10.0.0.1@10.0.0.254,backup,signal',
  'eth1=2001:db8::1@fe80::1,subflow',
  'a@::ffff:10.0.0.1, fullmesh',
]

export const CLI_TARGETS: readonly Target[] = [
  {
    name: 'path-option',
    isText: true,
    maxBytes: 2000,
    run: runPathOption,
    seeds: () => PATHS.map(bytesOf),
  },
]
