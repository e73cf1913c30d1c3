// The demo's last words.

import type { DemoReport } from './demo-run.js'

export function printReport(report: DemoReport, print: (line: string) => void): void {
  const { seconds, ratio, capacityBytes, cut } = report
  const count = (value: number): string => value.toLocaleString('en-US')
  print('')
  print(
    `sent      ${count(report.bytesSent)} bytes (${report.source}), sha-256 ${report.sha256Sent}`,
  )
  print(`received  ${count(report.bytesReceived)} bytes, sha-256 ${report.sha256Received}`)
  print(`          ${report.whole ? 'the same' : 'NOT THE SAME'}`)
  for (const { name, rateMbit, delayMs, subflow, wireBytes } of report.paths) {
    const what = `${rateMbit} Mbit/s, ${delayMs} ms one way`
    const did =
      subflow === null
        ? 'no subflow'
        : `${count(subflow.bytesSent)} bytes sent, ${count(wireBytes)} on the wire, ` +
          `${count(subflow.retransmits)} segments retransmitted`
    print(`${name}     ${what}: ${did}`)
  }
  if (cut !== null) {
    const end = cut.to === null ? 'to the end' : `for ${((cut.to - cut.from) / 1000).toFixed(1)} s`
    const from = (cut.from / 1000).toFixed(1)
    print(
      `cut       ${cut.path} ${end} from ${from} s on; ` +
        `${count(report.reinjections)} pieces of data sent again on another path`,
    )
  }
  if (!report.multipath) print(`not multipath: ${report.fallbackReason ?? 'plain TCP'}`)
  const could = seconds > 0 ? (capacityBytes * 8) / seconds / 1e6 : 0
  print(
    `goodput   ${report.mbitPerSecond.toFixed(1)} Mbit/s over ${seconds.toFixed(2)} s from ESTABLISHED ` +
      `to the last DATA_ACK`,
  )
  print(
    `          ${ratio.toFixed(3)} of the ${could.toFixed(1)} Mbit/s that the paths could carry then, ` +
      `headers included (core ${report.core})`,
  )
}
