// `mptcp nc`: netcat over MPTCP. Checks what was asked for, opens a stack, serves or makes a connection,
// and leaves nothing behind however it ends.

import { lookup } from 'node:dns/promises'
import { fstatSync } from 'node:fs'
import { type Command, Option } from 'commander'
import { type IpAddress, parseAddress } from '../wire/address.js'
import { Failure, Interrupted, oneLine, STATUS_FAILED, usageError } from './failure.js'
import { pump } from './nc-pump.js'
import type { NcConnection, NcOptions, NcTarget, NcTransport } from './nc-transport.js'
import { collect, congestionOption, coreOption, schedulerOption, wholeNumber } from './options.js'
import { parsePathOption } from './path-option.js'

const LINKS = ['raw', 'kernel', 'udp', 'tun']
const NOT_BUILT = ['udp', 'tun']
/** Options of a stack of our own. */
const OWN_STACK = ['core', 'scheduler', 'cc', 'checksum', 'pcap']

export function addNc(program: Command): void {
  program
    .command('nc')
    .description('netcat over MPTCP: stdin to the connection, the connection to stdout')
    .argument(
      '[words...]',
      'host and port; with -l the port, or an address of the paths and the port',
    )
    .usage('[options] [host] port')
    .option('-l, --listen', 'wait for one connection instead of making it')
    .option('-k, --keep', 'with -l: serve one connection after another')
    .addOption(new Option('--link <kind>', 'how packets leave').choices(LINKS).default('raw'))
    .option(
      '--path <path>',
      'DEV[=ADDR][@GATEWAY][,backup|metered|signal|subflow]; repeat it, the first is the initial one',
      collect(parsePathOption),
      [],
    )
    .addOption(coreOption())
    .addOption(schedulerOption())
    .addOption(congestionOption())
    .option('--checksum', 'use DSS checksums')
    .option('--plain', 'plain TCP')
    .option('--timeout <seconds>', 'how long to wait for an answer', wholeNumber(1, 3600), 30)
    .option('--pcap <file>', 'write the packets, for Wireshark')
    .option('--json', 'report on stderr at the end, as one JSON object')
    .option('-v, --verbose', 'tell on stderr what happens')
    .action(async (words: string[], options: NcOptions, command: Command) => {
      const target = parseTarget(words, options)
      check(options, command)
      await run(options, target)
    })
}

function parseTarget(words: readonly string[], options: NcOptions): NcTarget {
  if (words.length === 0) throw usageError('which [HOST] PORT? (see: mptcp nc --help)')
  const [host, port] = words.length === 1 ? [undefined, words[0]] : words
  if (words.length > 2) throw usageError(`'${words[2]}' is too much: write [HOST] PORT`)
  const number = Number(port)
  if (!/^\d+$/.test(port ?? '') || number < 1 || number > 65_535) {
    throw usageError(`'${port}' is not a port: a whole number from 1 to 65535`)
  }
  if (!options.listen && host === undefined) throw usageError('which HOST? (or -l to listen)')
  if (options.listen && host !== undefined && parseAddress(host) === null) {
    throw usageError(`'${host}' is not an IP address to listen on`)
  }
  return { host, port: number }
}

/** What can be told before anything is opened. */
function check(options: NcOptions, command: Command): void {
  const { link, path } = options
  if (NOT_BUILT.includes(link))
    throw usageError(`--link ${link} is not built yet: use raw or kernel`)
  if (options.keep && !options.listen) throw usageError('-k needs -l')
  const given = (name: string): boolean => command.getOptionValueSource(name) === 'cli'
  if (link === 'kernel') {
    const refused = OWN_STACK.find(given)
    if (refused !== undefined) {
      throw usageError(`--${refused} is for our own stack: leave it out under --link kernel`)
    }
  } else {
    if (path.length === 0) throw usageError('--link raw needs --path DEV (see: ip -br addr)')
    const both = path.find(({ flags }) => flags.includes('signal') && flags.includes('fullmesh'))
    if (both !== undefined) throw usageError('signal and fullmesh of --path exclude each other')
  }
  if (fstatSync(0).isDirectory()) throw usageError('standard input is a directory')
}

async function run(options: NcOptions, target: NcTarget): Promise<void> {
  const say = (text: string): void => {
    if (options.verbose) process.stderr.write(`${text}\n`)
  }
  let stop: (error: Error) => void = () => {}
  const stopped = new Promise<never>((_resolve, reject) => {
    stop = reject
  })
  // Raced below; until then nobody listens.
  stopped.catch(() => {})
  const signals = { SIGINT: 130, SIGTERM: 143, SIGHUP: 129 } as const
  for (const [signal, status] of Object.entries(signals)) {
    process.once(signal, () => stop(new Interrupted(status)))
  }
  process.stdout.removeAllListeners('error')
  process.stdout.on('error', (error) => {
    stop(new Failure(STATUS_FAILED, `cannot write standard output: ${oneLine(error)}`))
  })

  const remote = options.listen ? undefined : await Promise.race([resolveHost(target), stopped])
  const transport = await openTransport(
    options,
    target,
    (error) => {
      stop(new Failure(STATUS_FAILED, oneLine(error)))
    },
    say,
  ).catch((error) => {
    throw usageError(oneLine(error))
  })
  const job =
    remote === undefined
      ? serve(options, target, transport, say)
      : transport.connect(remote, target.port).then((connection) => talk(options, connection, say))
  // When it loses the race its failure is no news.
  job.catch(() => {})
  try {
    await Promise.race([job, stopped])
  } finally {
    await transport.close()
  }
}

async function openTransport(
  options: NcOptions,
  target: NcTarget,
  failed: (error: Error) => void,
  say: (text: string) => void,
): Promise<NcTransport> {
  if (options.link === 'kernel') {
    const { KernelTransport } = await import('./nc-kernel.js')
    return KernelTransport.open(options)
  }
  const { RawTransport } = await import('./nc-raw.js')
  return RawTransport.open(options, target, failed, say)
}

async function serve(
  options: NcOptions,
  target: NcTarget,
  transport: NcTransport,
  say: (text: string) => void,
): Promise<void> {
  const waiting: NcConnection[] = []
  let wake: () => void = () => {}
  await transport
    .listen(target, (connection) => {
      if (!options.keep) transport.unlisten()
      waiting.push(connection)
      // Until it is its turn; pump then asks what became of it.
      connection.socket.on('error', () => {})
      wake()
    })
    .catch((error) => {
      throw usageError(oneLine(error))
    })
  say(`listening on ${target.host ?? 'every address'} port ${target.port}`)
  do {
    while (waiting.length === 0) {
      await new Promise<void>((resolve) => {
        wake = resolve
      })
    }
    const talking = talk(options, waiting.shift()!, say)
    if (options.keep)
      await talking.catch((error) => process.stderr.write(`mptcp: ${oneLine(error)}\n`))
    else await talking
  } while (options.keep)
}

/** One connection from beginning to end. */
async function talk(
  options: NcOptions,
  connection: NcConnection,
  say: (text: string) => void,
): Promise<void> {
  const { socket, peer } = connection
  say(`connected with ${peer}`)
  socket.on('subflows', () => {
    const list = connection.report().subflows.map(({ local, remote, state, backup }) => {
      return `${local} > ${remote} ${state}${backup ? ' backup' : ''}`
    })
    say(`subflows: ${list.join(', ')}`)
  })
  try {
    await pump(connection, process.stdin, process.stdout)
    await connection.settle()
  } finally {
    const report = connection.report()
    const { bytesSent, bytesReceived, seconds, mbitPerSecond } = report
    say(
      `${bytesSent} bytes sent, ${bytesReceived} received in ${seconds.toFixed(3)} s, ` +
        `${mbitPerSecond.toFixed(1)} Mbit/s`,
    )
    if (options.json) process.stderr.write(`${JSON.stringify(report)}\n`)
  }
}

/** The address of a host: before anything is opened, so that a wrong name leaves nothing behind. */
async function resolveHost({ host }: NcTarget): Promise<string> {
  const given = parseAddress(host ?? '')
  if (given !== null) return host as string
  try {
    const found = await lookup(host as string, { all: true })
    const addresses = found.flatMap(({ address }) => {
      const parsed: IpAddress | null = parseAddress(address)
      return parsed === null ? [] : [address]
    })
    if (addresses[0] !== undefined) return addresses[0]
  } catch (error) {
    throw usageError(`cannot find the host '${host}' (${(error as NodeJS.ErrnoException).code})`)
  }
  throw usageError(`the host '${host}' has no address`)
}
