// The small shell behind backticks: what it does as a real one does, and what it refuses by name.

import { describe, expect, test } from 'vitest'
import { Commands } from '../../../ts/packetdrill/host/commands.js'
import { Host } from '../../../ts/packetdrill/host/host.js'
import { settingsOf } from '../../../ts/packetdrill/host/settings.js'
import { parseScript } from '../../../ts/packetdrill/language/parse-script.js'

/** What is wrong with a command, null if nothing; `slept` in milliseconds. */
function run(text: string, slept: number[] = []): string | null {
  const settings = settingsOf(parseScript('+0 f() = 0', 'x.pkt'), {})
  const commands = new Commands({
    host: new Host({ settings, core: 'js' }),
    files: new Map(),
    sleep: (ms) => void slept.push(ms),
    socketInfo: () => 0,
  })
  return commands.run(text)
}

describe('goes well', () => {
  test.each([
    ['a variable', 'x=$(echo 5); test $x -eq 5'],
    ['a variable in quotes', `x='a b'; test "$x" = "a b"`],
    ['a variable that parts words', `x='1 -eq 1'; test $x`],
    ['braces', `x=5; test "\${x}6" = 56`],
    ['a status', 'false; test $? -eq 1; test $? -eq 0'],
    ['arithmetic', 'x=3; test $((x * 2 + 7 % 4 - (1 + 1))) -eq 7'],
    ['a hexadecimal number', 'test $((0x10 + 1)) -eq 17'],
    ['&& and ||', 'false && reboot || true'],
    ['a $(…) behind a failure is not run', 'false && echo $(reboot); true'],
    ['! before a pipeline', '! echo a | grep -q b'],
    ['exit ends it', 'exit 0; reboot'],
    ['set -e ends it, but not before ||', 'set -e; false || true'],
    ['comments', '# all of it (a "comment"\ntrue # and `this`\n# this too'],
    ['a line that goes on', 'test 1 \\\n -eq 1'],
    ['a list that goes on', 'true &&\n  echo a |\n  grep -q a'],
    ['quotes hide signs', `test '>' = ">" && test "a;b" = a\\;b`],
    ['output thrown away', 'echo a > /dev/null 2>&1; echo b 2>/dev/null | grep -q b'],
    ['output to a file and back', 'echo a >/tmp/f; echo b >>/tmp/f; test $(wc -l /tmp/f) -eq 2'],
    ['input from a file', 'echo a > /tmp/f; grep -q a < /tmp/f'],
    [
      'a sysctl by its file',
      'echo 0 > /proc/sys/net/ipv4/tcp_sack; [ $(sysctl -n net.ipv4.tcp_sack) = 0 ]',
    ],
    ['a sysctl read from its file', 'test $(cat /proc/sys/net/ipv4/tcp_sack) -eq 1'],
    ['an environment for one command', 'LC_ALL=C nstat -n'],
    ["packetdrill's variables", 'test $OPT_IP_VERSION = ipv4 -a $OPT_LOCAL_IP = 192.168.0.1'],
    ['the device', 'ip addr add 192.168.0.9/16 dev $OPT_LOCAL_DEV'],
    ['a file of the shell', '. ./defaults.sh && source ./defaults.sh && bash ./defaults.sh'],
    ['a shell of its own', `sh -c 'x=1; test $x -eq 1'`],
    ['sysctl_restore', `/tmp/sysctl_restore_\${PPID}.sh`],
    ['printf', `test "$(printf '%s-%d-%x' a 10 10)" = a-10-a`],
    ['jq -e', `nstat -zjs | jq -e '.kernel.MPTcpExtMPCapableSYNTX' | grep -q 0`],
    ['grep without -E: + is itself', `echo "a+b{1}" | grep -q 'a+b{1}'`],
    ['grep without -E: \\+ and \\|', `echo aab | grep -q 'x\\|^a\\+b'`],
    ['grep -E', `echo aab | grep -qE 'x|^a+b'`],
    ['classes of grep', `echo 'x 1]' | grep -q '[[:space:]][[:digit:]][]]'`],
    ['awk that looks at a field', `test $(echo 'a 1' | awk '$1 == "a" {print $2}') -eq 1`],
    ['quotes within quotes', `echo "$(echo ")")" | grep -qF ')'`],
    ['connections that stand', `test $(nstat -zjs | jq '.kernel.MPTcpExtMPCurrEstab') -eq 0`],
    ['an order of packets', 'tc qdisc replace dev tun0 root pfifo'],
    ['the MTU before the first socket', 'ip link set dev tun0 mtu 1400 && ip link | grep -q 1400'],
    ['a route', 'ip route add 10.0.0.0/8 via 192.168.0.1 dev tun0'],
  ])('%s', (_, text) => {
    expect(run(text)).toBeNull()
  })

  test('$(…) is run when its command is, not before', () => {
    const slept: number[] = []
    expect(run('sleep 1; sleep $(echo 2); x=$(sleep 3)', slept)).toBeNull()
    expect(slept).toEqual([1000, 2000, 3000])
  })
})

describe('fails', () => {
  test.each([
    ['set -e', 'set -e; false; true', 'status 1'],
    ['exit', 'exit 3; true', 'status 3'],
    ['the last command', 'true; false', 'status 1'],
    ['a $(…) alone', 'x=$(exit 2)', 'status 2'],
    ['jq -e of nothing', `nstat -js | jq -e '.kernel.NoSuch'`, 'status 1'],
  ])('%s', (_, text, problem) => {
    expect(run(text)).toContain(problem)
  })
})

describe('refused by name', () => {
  test.each([
    ['sleep 1 &', 'no background commands (&)'],
    ['(true)', 'no subshells and functions, ( )'],
    ['f() { true; }', 'no subshells and functions, ( )'],
    ['cat << EOF\nEOF', 'no here-documents (<<)'],
    ['cat <(true)', 'no process substitution'],
    ['if true; then true; fi', "no command 'if'"],
    ['echo $NO_SUCH', 'the variable $NO_SUCH is not set'],
    ['echo $1', "no '$1'"],
    ['echo $' + '{X:-1}', "cannot read '$" + "{X:-1}'"],
    ['set -z', "no 'set -z'"],
    ['cat /etc/passwd', "no file '/etc/passwd'"],
    ['cat < /etc/passwd', "no file '/etc/passwd'"],
    ['echo 1 > /etc/passwd', "cannot write '/etc/passwd'"],
    ['echo 1 > /proc/sys/net/ipv4/no_such', "no sysctl 'net.ipv4.no_such'"],
    ['grep -A1 x', 'grep has no -A'],
    ["echo a | grep -oP 'a\\K1'", 'grep -P has no'],
    ["echo a | grep '[[:cntrl:]]'", 'no [:cntrl:]'],
    ["echo aa | grep '\\(a\\)\\1'", 'more than this grep can do'],
    ['ss -tn sport = :8080', "ss has no filter 'sport'"],
    ['grep --color x', 'grep has no --color'],
    ['grep x /no/such', "no file '/no/such'"],
    ['test $((1 @ 2)) -eq 1', 'cannot compute $((1 @ 2))'],
    ['test $((1 / 0)) -eq 1', 'divides by zero'],
    ['[ 1 -eq 1', 'no closing ]'],
    ['true &&', "missing beside '&&'"],
    ['true ||\n', "missing beside '||'"],
    ['true |', "missing beside ';'"],
    ['| true', "missing beside '|'"],
    ['true >', "missing beside '>'"],
    ['tc qdisc add dev tun0 root netem delay 10ms', "no command 'tc qdisc add"],
    ['ip route change default via 10.0.0.1 initcwnd 3', "no command 'ip route change"],
    ['ip rule add from all', "no command 'ip rule"],
    ['ip link set tun0 gso_max_size 100', "no command 'ip link set"],
    ['ip link set tun0 mtu 20', "'20' is no MTU"],
    ['ip mptcp endpoint flush; ip link set dev tun0 mtu 1400', 'before the first socket'],
    [`x=${'a'.repeat(99)}\n${'x=$x$x\n'.repeat(20)}`, 'more than 65536 characters'],
  ])('%s', (text, problem) => {
    expect(run(text)).toContain(problem)
  })
})
