// `mptcp packetdrill`: runs packetdrill scripts against the stack, in virtual time and without privilege.
// Ends with 'N passed, N failed'; exit status 1 if any failed, 2 if any does not parse.

import { type Command, InvalidArgumentError, Option } from 'commander'
import type { MptcpBackend } from '../core/load.js'
import type { IpVersion } from '../packetdrill/host/settings.js'
import { oneLine, STATUS_FAILED, STATUS_USAGE, usageError } from './failure.js'
import { collect, coreOption, wholeNumber } from './options.js'

interface PacketdrillOptions {
  ipVersion?: IpVersion
  core: MptcpBackend
  define: [string, string][]
  tolerance_usecs?: number
  verbose?: true
}

export function addPacketdrill(program: Command): void {
  program
    .command('packetdrill')
    .description('run packetdrill scripts against the stack, in virtual time')
    .argument('<path...>', 'scripts, or folders of .pkt files')
    .addOption(
      new Option('--ip-version <version>', 'what the scripts speak, where they do not say').choices(
        ['ipv4', 'ipv6', 'ipv4-mapped-ipv6'],
      ),
    )
    .addOption(coreOption())
    .option('-D, --define <name=value>', 'a symbol of the scripts', collect(parseDefine), [])
    .option(
      '--tolerance_usecs <usecs>',
      'how far off a time may be, over what the scripts say',
      wholeNumber(0, 1e9),
    )
    .option('-v, --verbose', 'print each event as it runs')
    .action(async (paths: string[], options: PacketdrillOptions) => {
      const { findScripts, runSuite } = await import('../packetdrill/runner/report.js')
      let files: string[]
      try {
        files = findScripts(paths)
      } catch (error) {
        throw usageError(oneLine(error))
      }
      if (files.length === 0) throw usageError(`no .pkt file in ${paths.join(', ')}`)
      const result = runSuite(files, {
        ipVersion: options.ipVersion,
        core: options.core,
        defines: Object.fromEntries(options.define),
        toleranceUsecs: options.tolerance_usecs,
        verbose: options.verbose ?? false,
        write: (line) => process.stdout.write(`${line}\n`),
        writeError: (line) => process.stderr.write(`${line}\n`),
      })
      if (result.unreadable > 0) process.exitCode = STATUS_USAGE
      else if (result.failed > 0) process.exitCode = STATUS_FAILED
    })
}

function parseDefine(text: string): [string, string] {
  const at = text.indexOf('=')
  if (at < 1) throw new InvalidArgumentError('Write NAME=VALUE.')
  return [text.slice(0, at), text.slice(at + 1)]
}
