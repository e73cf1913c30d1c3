// Who carries the sockets of the drop-in: the host's own MPTCP, or plain TCP where there is none.

import { environmentVariable } from '../host/environment.js'
import { codedError } from '../link/raw/errors.js'
import { type KernelProvider, kernelProvider, needKernelProvider } from './kernel-provider.js'

export type MptcpProviderName = 'kernel' | 'tcp'

export interface MptcpProvider {
  readonly name: MptcpProviderName
  /** Why it is this one. */
  readonly why: string
  /** @internal Null = none is needed. */
  readonly kernel: KernelProvider | null
}

const NAMES = ['auto', 'kernel', 'tcp']
const TCP = { name: 'tcp', kernel: null } as const

let chosen: MptcpProvider | null = null

/**
 * That of MPTCP_PROVIDER (`auto`, the default: kernel where it works, else tcp). Chosen at the first socket. Errors:
 * ERR_MPTCP_PROVIDER for one that there is not, or that was asked for by name and does not work.
 */
export function provider(): MptcpProvider {
  chosen ??= choose(environmentVariable('MPTCP_PROVIDER') || 'auto')
  return chosen
}

function choose(name: string): MptcpProvider {
  if (name === 'tcp') return { ...TCP, why: 'MPTCP_PROVIDER=tcp' }
  if (name === 'kernel') return { name, why: 'MPTCP_PROVIDER=kernel', kernel: needKernelProvider() }
  if (name !== 'auto') {
    const built = name === 'userspace' ? 'is not built yet' : 'is none'
    throw codedError(
      'ERR_MPTCP_PROVIDER',
      `the provider '${name}' of MPTCP_PROVIDER ${built}; there is: ${NAMES.join(', ')}`,
    )
  }
  const kernel = kernelProvider()
  if (typeof kernel === 'string') return { ...TCP, why: kernel }
  return { name: 'kernel', why: "the host's kernel has MPTCP", kernel }
}
