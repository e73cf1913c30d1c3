// The host's own MPTCP under Node's own sockets: data never passes code of ours.

import { codedError } from '../link/raw/errors.js'
import {
  AF_INET,
  type Libc,
  loadLibc,
  SOCK_CLOEXEC,
  SOCK_NONBLOCK,
  SOCK_STREAM,
} from '../link/raw/libc.js'
import { MPTCP_CONSTANTS } from '../socket/constants.js'
import type { OpenSocket } from './tcp-handle.js'

const { IPPROTO_MPTCP } = MPTCP_CONSTANTS
const TYPE = SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC

export interface KernelProvider {
  readonly open: OpenSocket
  readonly close: (fd: number) => void
}

/** Asked once: whether the kernel has it does not change, and where it is switched off later its sockets are TCP. */
let known: KernelProvider | string | undefined

/** The provider, or why there is none. */
export function kernelProvider(): KernelProvider | string {
  known ??= find()
  return known
}

export function needKernelProvider(): KernelProvider {
  const found = kernelProvider()
  if (typeof found === 'string')
    throw codedError('ERR_MPTCP_PROVIDER', `no kernel provider: ${found}`)
  return found
}

function find(): KernelProvider | string {
  if (process.platform !== 'linux') return `it is Linux's, and this is ${process.platform}`
  const libc = loadLibc()
  if (libc === null) return 'the package koffi is missing: run `npm install koffi`'
  const fd = libc.socket(AF_INET, TYPE, IPPROTO_MPTCP)
  if (fd < 0) return whyNot(libc.errno())
  libc.close(fd)
  return providerOf(libc)
}

function providerOf(libc: Libc): KernelProvider {
  return {
    open: (family) => libc.socket(family, TYPE, IPPROTO_MPTCP),
    close: (fd) => void libc.close(fd),
  }
}

function whyNot(code: string): string {
  switch (code) {
    case 'EPROTONOSUPPORT':
    case 'EINVAL':
      return 'this kernel has no MPTCP: it needs Linux 5.6 or later with CONFIG_MPTCP'
    case 'ENOPROTOOPT':
      return 'MPTCP is switched off here: sysctl net.mptcp.enabled=1'
    default:
      return `a socket of MPTCP is refused with ${code}`
  }
}
