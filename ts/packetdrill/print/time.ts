// Times in packetdrill's notation: seconds, as many digits as it takes.

import type { EventTime } from '../language/ast.js'

/** 1500000 -> '1.5'. */
export function printUsecs(usecs: number): string {
  const whole = Math.trunc(usecs / 1e6)
  const rest = Math.abs(Math.trunc(usecs % 1e6))
  const sign = usecs < 0 && whole === 0 ? '-' : ''
  if (rest === 0) return `${sign}${whole}`
  return `${sign}${whole}.${String(rest).padStart(6, '0').replace(/0+$/, '')}`
}

export function printTime(time: EventTime): string {
  switch (time.kind) {
    case 'absolute':
      return printUsecs(time.usecs)
    case 'relative':
      return `+${printUsecs(time.usecs)}`
    case 'absolute-range':
      return `${printUsecs(time.usecs)}~${printUsecs(time.endUsecs)}`
    case 'relative-range':
      return `+${printUsecs(time.usecs)}~+${printUsecs(time.endUsecs)}`
    case 'any':
      return '*'
    default:
      return unknown(time)
  }
}

function unknown(time: never): never {
  throw new RangeError(`unknown time: ${JSON.stringify(time)}`)
}
