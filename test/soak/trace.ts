// Prints the packets of a world as they come out of whoever meddles with them, a line each, for whoever asks
// why it fails. What the path then loses is not told.

import type { DirectionName } from '../../ts/emulator/path.js'
import { parseIp } from '../../ts/wire/ip.js'
import { DSS, type MptcpOption } from '../../ts/wire/mptcp-options.js'
import { parseSegment } from '../../ts/wire/tcp.js'
import type { World } from '../stack/world.js'

const FLAGS = ['F', 'S', 'R', 'P', '.', 'U', 'E', 'C']
const SUBTYPES = 'capable join dss add-addr rm-addr prio fail fastclose rst'.split(' ')

/** For `play`: to be planted before anyone meddles. */
export function trace(w: World, print: (line: string) => void): void {
  for (const path of w.paths) {
    const own = path.middlebox.bind(path)
    const tell = (way: DirectionName, packet: Uint8Array): void =>
      print(`${w.clock.now().toFixed(1)} ${path.name} ${way} ${told(packet)}`)
    path.middlebox = (box) =>
      own((way, packet) => {
        const passed = box === null ? packet : box(way, packet)
        const packets = passed === null ? [] : passed instanceof Uint8Array ? [passed] : passed
        for (const each of packets) tell(way, each)
        return packets
      })
    path.middlebox(null)
  }
}

function told(packet: Uint8Array): string {
  const ip = parseIp(packet, 0, packet.length)
  const segment = ip === null ? null : parseSegment(packet, ip)
  if (segment === null) return `${packet.length} bytes that are no TCP segment`
  const { sourcePort, destinationPort, sequence, acknowledgment, window } = segment
  const flags = FLAGS.filter((_flag, i) => (segment.flags & (1 << i)) !== 0).join('')
  const ports = `${sourcePort} > ${destinationPort}`
  const numbers = `${sequence}(${segment.payloadLength}) ack ${acknowledgment} win ${window}`
  return [`${ports} ${flags} ${numbers}`, ...segment.options.mptcp.map(toldOption)].join(' ')
}

function toldOption(option: MptcpOption): string {
  const name = SUBTYPES[option.subtype]
  if (option.subtype !== DSS) return `<${name}>`
  const { dataFin, dsnBytes, dsnLow, ssn, length, dataAckBytes, dataAckLow } = option
  const mapping = dsnBytes === 0 ? '' : ` ${dsnLow}(${length}) ssn ${ssn}`
  const ack = dataAckBytes === 0 ? '' : ` ack ${dataAckLow}`
  return `<${name}${mapping}${ack}${dataFin ? ' FIN' : ''}>`
}
