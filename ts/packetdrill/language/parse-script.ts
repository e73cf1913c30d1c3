// A packetdrill script, its text to a Script: header options, a command to begin with, events each with
// its time, a command to end with. packetdrill's own rules on what may stand where are checked here, so
// that a script which the field's tool refuses is refused before anything runs.

import type {
  Action,
  Code,
  Command,
  Event,
  EventTime,
  HeaderOption,
  Position,
  Script,
} from './ast.js'
import { ScriptError } from './ast.js'
import { parseCall } from './parse-call.js'
import { parseCode } from './parse-code.js'
import { parsePacket } from './parse-packet.js'
import { here, TokenStream } from './token-stream.js'

/** About three years: what lies beyond is a slip, and microseconds stay whole numbers. */
const MAX_SECONDS = 1e8

/**
 * Throws a ScriptError where the script does not parse. `defines` are those of the command line,
 * NAME to VALUE: a word, a number, "a string" or `a command`, quotes included.
 */
export function parseScript(
  text: string,
  file: string,
  defines: Readonly<Record<string, string>> = {},
): Script {
  const tokens = new TokenStream(text, file)
  const options = parseHeader(tokens, text)
  const all: Record<string, string> = { ...headerDefines(options), ...defines }
  tokens.defines = all
  const init = tokens.peek().kind === 'command' ? parseCommand(tokens, all) : null
  const events: Event[] = []
  let cleanup: Command | null = null
  while (tokens.peek().kind !== 'end') {
    if (tokens.peek().kind === 'command' && events.length > 0) {
      cleanup = parseCommand(tokens, all)
      if (tokens.peek().kind !== 'end') tokens.unexpected('end of file behind the last command')
    } else {
      const first = tokens.peek()
      const event = parseEvent(tokens, all)
      const [before, now] = [absoluteUsecs(events.at(-1)), absoluteUsecs(event)]
      if (before !== null && now !== null && now < before) {
        tokens.problem(first, `the time ${first.text} lies before that of the event before`)
      }
      events.push(event)
    }
  }
  if (events.length === 0) tokens.unexpected('an event: a time and what happens then')
  return { file, options, defines: all, init, events, cleanup }
}

// ---------------------------------------------------------------- header

/** A value runs to the next blank: `--ip_version=ipv4-mapped-ipv6`, `--define=CC="reno"`. */
function parseHeader(tokens: TokenStream, text: string): HeaderOption[] {
  const options: HeaderOption[] = []
  while (tokens.peek().kind === 'option') {
    const token = tokens.next()
    let value: string | null = null
    if (tokens.take('=')) {
      const first = tokens.peek()
      if (first.kind === 'end' || first.kind === 'option') tokens.unexpected('a value')
      let last = tokens.next()
      while (tokens.peek().start === last.end && tokens.peek().kind !== 'end') last = tokens.next()
      value =
        first === last && first.kind === 'string' ? first.value : text.slice(first.start, last.end)
    }
    options.push({ position: token.position, name: token.value, value })
  }
  return options
}

function headerDefines(options: readonly HeaderOption[]): Record<string, string> {
  const defines: Record<string, string> = {}
  for (const { name, value, position } of options) {
    if (name !== 'define') continue
    const at = value === null ? -1 : value.indexOf('=')
    if (at < 1) throw new ScriptError(position, `'--${name}'`, '--define=NAME=VALUE')
    defines[value!.slice(0, at)] = value!.slice(at + 1)
  }
  return defines
}

// ---------------------------------------------------------------- events

function parseEvent(tokens: TokenStream, defines: Readonly<Record<string, string>>): Event {
  const position = here(tokens)
  const first = tokens.peek()
  const time = parseTime(tokens)
  const action = parseAction(tokens, defines, time)
  const outbound =
    (action.kind === 'tcp' || action.kind === 'icmp') && action.direction === 'outbound'
  if (!outbound) {
    if (time.kind === 'any') tokens.problem(first, "'*' can only stand before outbound packets")
    if (time.kind === 'absolute-range' || time.kind === 'relative-range') {
      tokens.problem(first, 'a time range can only stand before outbound packets')
    }
  }
  return { position, time, action }
}

/** Only of neighbours, as in packetdrill: when a relative time is, is known while it runs. */
function absoluteUsecs(event: Event | undefined): number | null {
  const time = event?.time
  return time?.kind === 'absolute' || time?.kind === 'absolute-range' ? time.usecs : null
}

function parseTime(tokens: TokenStream): EventTime {
  const first = tokens.peek()
  if (tokens.take('*')) return { kind: 'any' }
  const relative = tokens.take('+')
  const usecs = parseUsecs(tokens, "a time: '+0.1', '0.1', '+0~+0.1' or '*'")
  if (!tokens.take('~')) return { kind: relative ? 'relative' : 'absolute', usecs }
  if (relative) tokens.expect('+', "'+', since the range began with one")
  const endUsecs = parseUsecs(tokens, 'the end of a time range')
  if (endUsecs < usecs) tokens.problem(first, 'the time range runs backwards')
  return { kind: relative ? 'relative-range' : 'absolute-range', usecs, endUsecs }
}

/** Seconds, with a point or without. */
function parseUsecs(tokens: TokenStream, expected: string): number {
  const token = tokens.peek()
  const decimal = token.kind === 'integer' && !token.value.startsWith('0x')
  if (token.kind !== 'float' && !decimal) tokens.unexpected(expected)
  const seconds = Number(token.value)
  if (seconds < 0) tokens.problem(token, `the time ${token.text} is negative`)
  if (!(seconds <= MAX_SECONDS)) tokens.problem(token, `the time ${token.text} is out of range`)
  tokens.next()
  // `-0` is a time, and the same one as 0.
  return Math.abs(Math.round(seconds * 1e6))
}

function parseAction(
  tokens: TokenStream,
  defines: Readonly<Record<string, string>>,
  time: EventTime,
): Action {
  const token = tokens.peek()
  switch (token.kind) {
    case 'command':
      return parseCommand(tokens, defines)
    case 'code':
      return parseCodeBlock(tokens)
    case 'ellipsis': {
      tokens.next()
      const endUsecs = parseUsecs(tokens, 'the time at which the call returns')
      if ((time.kind === 'absolute' || time.kind === 'relative') && endUsecs < time.usecs) {
        tokens.problem(token, 'the call returns before it begins')
      }
      return parseCall(tokens, endUsecs)
    }
    case 'word':
      return parseCall(tokens, null)
    default:
      if (tokens.at('<') || tokens.at('>')) return parsePacket(tokens)
      return tokens.unexpected("'<', '>', a system call, a `command` or %{ code }%")
  }
}

function parseCommand(tokens: TokenStream, defines: Readonly<Record<string, string>>): Command {
  const token = tokens.next()
  const text = token.value.replace(/\$(?:(\w+)|\{(\w+)\})/g, (written, plain, braced) => {
    const name: string = plain ?? braced
    return Object.hasOwn(defines, name) ? unquoted(defines[name]!) : written
  })
  return { kind: 'command', position: token.position, text }
}

function unquoted(value: string): string {
  return /^(["`])[\s\S]*\1$/.test(value) && value.length > 1 ? value.slice(1, -1) : value
}

/** The block's own text is parsed too, only to tell of faults before anything runs. */
function parseCodeBlock(tokens: TokenStream): Code {
  const token = tokens.next()
  const code: Code = { kind: 'code', position: inside(token.position), text: token.value }
  parseCode(code)
  return code
}

/** Behind the two characters of `%{`. */
function inside(position: Position): Position {
  return { ...position, column: position.column + 2 }
}
