// The endpoints and limits of the host's own path manager, through `ip mptcp` (iproute2). They belong
// to the network namespace and outlive the process: whoever adds one removes it.

import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { codedError } from '../link/raw/errors.js'
import { formatAddress, parseAddress } from '../wire/address.js'

export type EndpointFlag = 'signal' | 'subflow' | 'backup' | 'fullmesh' | 'laminar'

export interface KernelEndpoint {
  address: string
  device?: string
  /** 1 to 255; default: the kernel chooses. */
  id?: number
  flags: readonly EndpointFlag[]
}

export interface MptcpLimits {
  /** Subflows besides the first, 0 to 8. */
  subflows: number
  /** ADD_ADDRs acted upon, 0 to 8. */
  addAddrAccepted: number
}

interface ShownEndpoint extends Record<string, unknown> {
  address: string
  id: number
  dev?: string
}

const run = promisify(execFile)
const DEADLINE_MS = 5000

/** Adds an endpoint and returns its id. Errors: EPERM, EEXIST, EINVAL, ERR_MPTCP_NO_IP. */
export async function addEndpoint(endpoint: KernelEndpoint): Promise<number> {
  const { address, device, id, flags } = endpoint
  await ipMptcp('endpoint', 'add', [
    address,
    ...(device === undefined ? [] : ['dev', device]),
    ...(id === undefined ? [] : ['id', String(id)]),
    ...flags,
  ])
  if (id !== undefined) return id
  const added = (await listEndpoints()).find((shown) => isSame(shown, endpoint))
  if (added === undefined) throw codedError('ENOENT', `the endpoint ${address} is gone already`)
  return added.id
}

export async function removeEndpoint(id: number): Promise<void> {
  await ipMptcp('endpoint', 'delete', ['id', String(id)])
}

export async function listEndpoints(): Promise<Required<Pick<ShownEndpoint, 'address' | 'id'>>[]> {
  return JSON.parse(await ipMptcp('endpoint', 'show', [])) as ShownEndpoint[]
}

export async function setMptcpLimits(limits: MptcpLimits): Promise<void> {
  await ipMptcp('limits', 'set', [
    'subflows',
    String(limits.subflows),
    'add_addr_accepted',
    String(limits.addAddrAccepted),
  ])
}

export async function mptcpLimits(): Promise<MptcpLimits> {
  // iproute2 6.1 answers this one in words even when asked for JSON.
  const text = await ipMptcp('limits', 'show', [])
  const number = (name: string) => Number(new RegExp(`${name}\\W+(\\d+)`).exec(text)?.[1] ?? 0)
  return { subflows: number('subflows'), addAddrAccepted: number('add_addr_accepted') }
}

function isSame(shown: ShownEndpoint, endpoint: KernelEndpoint): boolean {
  const wanted = parseAddress(endpoint.address)
  return wanted !== null && shown.address === formatAddress(wanted)
}

async function ipMptcp(what: string, verb: string, words: string[]): Promise<string> {
  try {
    const { stdout } = await run('ip', ['-j', 'mptcp', what, verb, ...words], {
      timeout: DEADLINE_MS,
    })
    return stdout.trim() || '[]'
  } catch (cause) {
    const failure = cause as NodeJS.ErrnoException & { stderr?: string }
    if (failure.code === 'ENOENT') {
      throw codedError('ERR_MPTCP_NO_IP', 'endpoints need `ip`: install iproute2', cause)
    }
    const said = failure.stderr?.trim() || failure.message
    throw codedError(errorCode(said), `ip mptcp ${what} ${verb} ${words.join(' ')}: ${said}`, cause)
  }
}

function errorCode(said: string): string {
  if (said.includes('Operation not permitted')) return 'EPERM'
  if (/File exists|already exist|duplicate/i.test(said)) return 'EEXIST'
  if (/not found|No such/i.test(said)) return 'ENOENT'
  return 'EINVAL'
}
