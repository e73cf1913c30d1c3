// Who carries the sockets of the drop-in: the host's own MPTCP, our own stack, or plain TCP.

import { environmentVariable } from '../host/environment.js'
import { codedError } from '../link/raw/errors.js'
import { type KernelProvider, kernelProvider, needKernelProvider } from './kernel-provider.js'
import { loopbackProvider, type UserspaceProvider } from './userspace-provider.js'

export type MptcpProviderName = 'kernel' | 'userspace' | 'tcp'

export interface MptcpProvider {
  readonly name: MptcpProviderName
  /** Why it is this one. */
  readonly why: string
  /** @internal Null = it is another. */
  readonly kernel: KernelProvider | null
  /** @internal Null = it is another. */
  readonly userspace: UserspaceProvider | null
}

const NONE = { kernel: null, userspace: null }
const NAMES = ['auto', 'kernel', 'userspace', 'tcp']

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
  const why = `MPTCP_PROVIDER=${name}`
  switch (name) {
    case 'tcp':
      return { ...NONE, name, why }
    case 'kernel':
      return { ...NONE, name, why, kernel: needKernelProvider() }
    case 'userspace':
      return { ...NONE, name, why, userspace: loopbackProvider() }
    case 'auto':
      return byItself()
    default:
      throw codedError(
        'ERR_MPTCP_PROVIDER',
        `MPTCP_PROVIDER knows no '${name}'; there is: ${NAMES.join(', ')}`,
      )
  }
}

function byItself(): MptcpProvider {
  const kernel = kernelProvider()
  if (typeof kernel === 'string') return { ...NONE, name: 'tcp', why: kernel }
  return { ...NONE, name: 'kernel', why: "the host's kernel has MPTCP", kernel }
}
