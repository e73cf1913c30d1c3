// What stands in packetdrill scripts: the script itself, its %{ }% blocks, its backtick commands, and whole
// scripts played. A wrong script is told as one, at its place; nothing else is thrown, nothing is run
// without end, and nothing grows without bound.

import { readdirSync, readFileSync } from 'node:fs'
import { isDeepStrictEqual } from 'node:util'
import { CodeFailure, runCode } from '../../ts/packetdrill/code/run.js'
import type { CodeValue } from '../../ts/packetdrill/code/values.js'
import { Commands } from '../../ts/packetdrill/host/commands.js'
import { Host } from '../../ts/packetdrill/host/host.js'
import { settingsOf, suiteDefines } from '../../ts/packetdrill/host/settings.js'
import { type Code, ScriptError } from '../../ts/packetdrill/language/ast.js'
import { parseCode } from '../../ts/packetdrill/language/parse-code.js'
import { parseScript } from '../../ts/packetdrill/language/parse-script.js'
import { printEvent } from '../../ts/packetdrill/print/event.js'
import { describeFailure } from '../../ts/packetdrill/runner/report.js'
import { runScript } from '../../ts/packetdrill/runner/runner.js'
import { bytesOf, check, type Target, textOf } from './target.js'

const FILE = 'x.pkt'
const SCRIPTS = new URL('../scripts/', import.meta.url)
/** Bounded: an error names what it is about, and no more. */
const MAX_MESSAGE = 20_000

/** What `parse` gives; null where it refuses, as it should, with a place in the text. */
function readOrRefused<T>(parse: () => T): T | null {
  try {
    return parse()
  } catch (error) {
    if (!(error instanceof ScriptError)) throw error
    const start = `${error.file}:${error.line}:${error.column}: `
    check(error.file === FILE && error.line >= 1 && error.column >= 1, `no place: ${start}`)
    check(error.message.startsWith(start), `the message has no place: ${error.message}`)
    check(error.message.length < MAX_MESSAGE, 'the message is endless')
    return null
  }
}

// ---------------------------------------------------------------- the script

/** Without positions, and as other text may say the same. */
function plain(node: unknown): unknown {
  if (Array.isArray(node)) return node.map(plain)
  if (node === null || typeof node !== 'object' || node instanceof Uint8Array) return node
  const entries = Object.entries(node).filter(([name]) => name !== 'position')
  return Object.fromEntries(entries.map(([name, value]) => [name, plain(value)]))
}

function runParser(input: Uint8Array): void {
  const text = textOf(input)
  const script = readOrRefused(() => parseScript(text, FILE, suiteDefines('ipv4')))
  if (script === null) return
  readOrRefused(() => settingsOf(script, {}))
  for (const event of script.events) {
    const printed = printEvent(event)
    // One event alone: a command would be read as the one that begins the script.
    if (event.action.kind === 'command') continue
    const again = readOrRefused(() => parseScript(printed, FILE))
    check(again !== null, `printed, it is refused: ${printed}`)
    const [first] = again.events
    check(
      isDeepStrictEqual(plain(first), plain(event)),
      `printed, it reads as something else: ${printed}`,
    )
  }
}

function scripts(): string[] {
  const names = readdirSync(SCRIPTS, { recursive: true, encoding: 'utf8' })
  const found = names.filter((name) => name.endsWith('.pkt')).sort()
  return found.map((name) => readFileSync(new URL(name, SCRIPTS), 'latin1'))
}

/** Forms that our own scripts have little of. */
const FORMS = [
  '--ip_version=ipv6\n--define=N=5\n--mtu=1500\n--local_ip=10.0.0.1/24\n+0 f($N, "a\\n\\x41"..., [1, {a=b}]) = -1 EAGAIN (x)',
  '0.1~0.2 > [ect0, tos 0x04, ttl 2, flowlabel 0x5] 10.0.0.1:80 > fd::1 : 8080 SEWA.5 1:1(0) ack 2 win 3 urg 4 <mss 1, FO 00ff, FOEXP aa, md5 00ff, exp-x, sack 1:2 3:4, wscale *, ECN e1b 1 ceb 0>',
  '+0 < icmp unreachable frag_needed mtu 1200 [1:1461(1460)]\n* > icmp echo_reply id 7 [raw(8)]',
  '+0...0.4 poll([{fd=3, events=POLLIN|POLLOUT, revents=0}], 1, -1) = 1',
  '+0 recvmsg(3, {msg_name(...)=..., msg_iov(1)=[{..., 0}], msg_flags=0}, 0) = 0x2 (flags O_RDWR)',
  '+0 > . 1:1(0) <mpcapable v1 flags[flag_a,flag_h] key[ckey=2, skey] mpcdatalen 2 cksum=auto, mp_reset 3 flags[flag_w]>',
  '+0 > . 1:1(0) <add_address address_id=1 addr[x=inet6_addr("fd::1")] port=80 hmac=0x10, remove_address address_id=[1,2], mp_prio backup=0 address_id=3, mp_fail dsn8=1, mp_fastclose ckey=5 + 1>',
  '+0 > . 1:1(0) <dss dack4 dsn8=trunc_r64_hmac(skey) + 5 ssn=1 dll=9 cksum=513 fin, mp_join_syn_ack address_id=1 sender_hmac=trunc_l64_hmac(skey ckey)>',
]

// ---------------------------------------------------------------- %{ }%

const NAMES: readonly [string, CodeValue][] = [
  ['tcpi_lost', 0n],
  ['tcpi_snd_cwnd', 10n],
  ['tcpi_rtt', 2n ** 64n - 1n],
  ['ratio', 0.5],
]
/** Bounded: what a block may leave in the names for the next. */
const MAX_VALUES = 100_000

function runBlock(input: Uint8Array): void {
  const code: Code = {
    kind: 'code',
    position: { file: FILE, line: 1, column: 1 },
    text: textOf(input),
  }
  const statements = readOrRefused(() => parseCode(code))
  if (statements === null) return
  const names = new Map(NAMES)
  try {
    runCode(statements, names)
  } catch (error) {
    if (!(error instanceof CodeFailure)) throw error
    check(error.message.length < MAX_MESSAGE, 'the message is endless')
    check(error.position.line >= 1, 'the failure has no place')
  }
  let left = MAX_VALUES
  const count = (value: CodeValue): void => {
    left -= typeof value === 'string' ? 1 + value.length : 1
    check(left > 0, 'the names hold more and more')
    if (Array.isArray(value)) value.forEach(count)
  }
  for (const value of names.values()) count(value)
}

const BLOCKS = [
  'assert tcpi_lost == 0, tcpi_lost',
  'x = (1, 2)\ny = [x, 3]\nassert 2 in x and len(y) != 1',
  "assert 1 < tcpi_snd_cwnd <= 10, 'cwnd %d of %5.2f %x %s' % (tcpi_snd_cwnd, ratio, 255, x)",
  'a = 2 ** 100 // 3 % 7 << 2 >> 1 | 4 & 5 ^ ~6\na += 1; a -= 2 # comment\npass',
  'print("a" + \'b\'); z = abs(-1) if not False else max(1, 2.5e3, min((1, 2))) * round(0.5)',
  'assert int(float(7)) == str(True) or None',
  'x = x * x',
  's = str(s) + s',
  't = (t, t)\nt = (t, t)\nassert str(t) == t',
]

// ---------------------------------------------------------------- `commands`

const LONGEST_SLEEP_MS = 1e12

function runCommand(input: Uint8Array): void {
  const script = parseScript('+0 f() = 0', FILE)
  const host = new Host({ settings: settingsOf(script, {}), core: 'js' })
  const files = new Map<string, number>()
  const commands = new Commands({
    host,
    files,
    sleep: (ms) => {
      check(ms >= 0 && ms < LONGEST_SLEEP_MS, `sleeps for ${ms} ms`)
    },
    socketInfo: () => 1,
  })
  const problem = commands.run(textOf(input))
  check(problem === null || problem.length < MAX_MESSAGE, 'the message is endless')
  check(files.size <= 4096, 'the files have no bound')
  check(host.addresses.length <= 4096, 'the addresses have no bound')
  const { endpoints } = host.pathControl
  check(endpoints.length <= 255, 'the endpoints have no bound')
  for (const { id, port } of endpoints) {
    check(id >= 1 && id <= 255, `an endpoint with id ${id}`)
    check(port >= 0 && port <= 65_535, `an endpoint with port ${port}`)
  }
  for (const [name, value] of Object.entries(host.config)) {
    check(typeof value !== 'number' || Number.isFinite(value), `${name} is ${value}`)
  }
  host.close()
}

const COMMANDS = [
  '../common/multi-ep.sh -e 2 -m signal -b',
  'sysctl -q net.mptcp.checksum_enabled=1; sysctl -n net.ipv4.tcp_rmem',
  "sysctl -q 'net.ipv4.tcp_wmem=4096 16384 4194304' && sysctl net.mptcp.add_addr_timeout=5",
  '/tmp/sysctl_restore_12.sh; ../common/set_sysctls.py /proc/sys/net/ipv4/tcp_sack=0',
  'ip mptcp endpoint add 10.0.0.9 dev tun0 id 3 port 99 signal subflow backup fullmesh',
  'ip mptcp endpoint flush; ip mptcp endpoint del id 3; ip mptcp endpoint show',
  'ip mptcp limits set subflows 2 add_addr_accepted 8; ip mptcp limits',
  'ip addr add fd00::1/64 dev tun0; ip -6 addr del fd00::1; ip a; ip tcp_metrics flush_all',
  `nstat -n; [ $(nstat -asz 'MPTcpExt*Rx' | awk '/JoinSyn/ {print $2}') -eq 0 ] || false`,
  "test $(nstat -jasz MPTcpExtMPJoinSynRx | jq '.kernel.MPTcpExtMPJoinSynRx // 0') = 0 -a -n x",
  "nstat -as | grep -q -i 'mptcp.*rx' | head -n 1 | tail -1 | wc -l; ! cat",
  'A=1 echo "x $((1+2*(3-4)/5)) $(echo a\\ b)" | grep -c a >/dev/null 2>&1; sleep 0.1; exit 1',
  'x=$(echo 1); y="a $x"; test $((x + 2 * 3 % 2)) -eq 1 > /tmp/f 2>&1 || cat < /tmp/f >> /tmp/g',
  "printf '%s-%x\\n' $OPT_LOCAL_IP 10 | grep -E '[[:digit:]]+|a' /tmp/f /proc/net/tcp | wc -l",
  'echo 1 > /proc/sys/net/ipv4/tcp_sack; . ./defaults.sh; sh -c "set -e; false"; ip link set mtu 1400',
  'ss -M; tc qdisc; ethtool -K; true && set -e; check_mptcp_info.sh subflows 1',
]

// ---------------------------------------------------------------- whole scripts

function runWhole(input: Uint8Array): void {
  const text = textOf(input)
  const failure = readOrRefused(() => {
    return runScript(parseScript(text, FILE, suiteDefines('ipv4')), { core: 'js' })
  })
  if (failure !== null) check(describeFailure(failure).join().length < 200_000, 'endless')
}

const seedsOf = (texts: readonly string[]) => (): Uint8Array[] => texts.map(bytesOf)

export const SCRIPT_TARGETS: readonly Target[] = [
  {
    name: 'script',
    isText: true,
    maxBytes: 8000,
    run: runParser,
    seeds: () => [...FORMS, ...scripts()].map(bytesOf),
  },
  {
    name: 'code-block',
    isText: true,
    maxBytes: 8000,
    run: runBlock,
    seeds: seedsOf(BLOCKS),
    words: [
      '__proto__',
      'constructor',
      '**',
      '<<',
      '//',
      '%s',
      '%99.99f',
      'not',
      'in',
      '9'.repeat(39),
    ],
  },
  {
    name: 'command',
    isText: true,
    maxBytes: 8000,
    run: runCommand,
    seeds: seedsOf(COMMANDS),
    words: ['__proto__', 'constructor', 'toString', '$(', '$((', '(a+)+$', '\\(', '*', '-o', '!'],
  },
  {
    name: 'played-script',
    isText: true,
    maxBytes: 8000,
    run: runWhole,
    seeds: () => scripts().map(bytesOf),
  },
]
