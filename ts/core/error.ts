// The one error of loading a core. Everything else that a core refuses is a RangeError or a TypeError.

/** An error with the code 'ERR_MPTCP_CORE'. */
export function coreError(message: string, cause?: unknown): Error & { code: string } {
  const error = new Error(`mptcp core: ${message}`, cause === undefined ? undefined : { cause })
  return Object.assign(error, { code: 'ERR_MPTCP_CORE' })
}
