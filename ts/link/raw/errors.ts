// Errors that a user can act on: a `code` to test and a sentence that says what to do. The messages of
// libc become codes here, because raw-socket throws strerror's text and nothing else.

export interface CodedError extends Error {
  code: string
}

export function codedError(code: string, message: string, cause?: unknown): CodedError {
  return Object.assign(new Error(message, { cause }), { code })
}

// glibc's wording, then musl's where it differs.
const CODES: Record<string, string> = {
  'Operation not permitted': 'EPERM',
  'Permission denied': 'EACCES',
  'Resource temporarily unavailable': 'EAGAIN',
  'No buffer space available': 'ENOBUFS',
  'Network is down': 'ENETDOWN',
  'Network is unreachable': 'ENETUNREACH',
  'Network unreachable': 'ENETUNREACH',
  'No route to host': 'EHOSTUNREACH',
  'Host is unreachable': 'EHOSTUNREACH',
  'Message too long': 'EMSGSIZE',
  'Message too large': 'EMSGSIZE',
  'Invalid argument': 'EINVAL',
  'No such device': 'ENODEV',
  'No such device or address': 'ENXIO',
  'Cannot assign requested address': 'EADDRNOTAVAIL',
  'Address not available': 'EADDRNOTAVAIL',
  'Address family not supported by protocol': 'EAFNOSUPPORT',
  'Protocol not supported': 'EPROTONOSUPPORT',
  'Too many open files': 'EMFILE',
}

/** The errno name behind an error that raw-socket threw; 'EIO' where the text is not known. */
export function errnoOf(error: unknown): string {
  return CODES[(error as Error).message] ?? 'EIO'
}
