// How a subcommand fails: one line for the user and an exit status. Nothing else reaches stderr.

/** Wrong use, or something that the command needs is missing. */
export const STATUS_USAGE = 2
/** The connection failed, or what came was not whole. */
export const STATUS_FAILED = 1

export class Failure extends Error {
  readonly status: number

  constructor(status: number, message: string) {
    super(message)
    this.status = status
  }
}

export function usageError(message: string): Failure {
  return new Failure(STATUS_USAGE, message)
}

/** The message of whatever was thrown, on one line. */
export function oneLine(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error)
  return text.trim().replace(/\s*\n\s*/g, '; ') || 'unknown error'
}

/** Ended by a signal: nothing is said, the exit status is the shell's for it. */
export class Interrupted extends Failure {
  constructor(status: number) {
    super(status, '')
  }
}
