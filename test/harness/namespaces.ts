// Network namespaces by `ip`: commands in one, what runs in it, and its end. A name bears the number of the
// process that made it, so that what one left behind that was killed can be told.

import { execFile, spawnSync } from 'node:child_process'
import { existsSync, readdirSync } from 'node:fs'

const DEADLINE_MS = 10_000

/** Runs several `ip` commands; `-6` in front of one is kept. */
export async function ipBatch(before: string[], commands: string[]): Promise<void> {
  for (const family of ['-4', '-6'] as const) {
    const own = commands.filter((command) => command.startsWith('-6 ') === (family === '-6'))
    if (own.length === 0) continue
    const flag = family === '-6' ? ['-6'] : []
    const input = `${own.map((command) => command.replace(/^-6 /, '')).join('\n')}\n`
    await new Promise<void>((resolve, reject) => {
      const child = execFile(
        'ip',
        [...before, ...flag, '-batch', '-'],
        { timeout: DEADLINE_MS },
        (error, _stdout, stderr) =>
          error ? reject(new Error(`ip: ${stderr.trim() || error.message}\n${input}`)) : resolve(),
      )
      child.stdin?.end(input)
    })
  }
}

/** Kills what runs in it, too. */
export function removeNamespace(name: string): void {
  for (const pid of namespacePids(name)) kill(pid)
  spawnSync('ip', ['netns', 'del', name], { timeout: 5000 })
}

/** The processes that run in a namespace. */
export function namespacePids(name: string): number[] {
  const listed = spawnSync('ip', ['netns', 'pids', name], { encoding: 'utf8', timeout: 5000 })
  return (listed.stdout?.match(/\d+/g) ?? []).map(Number)
}

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL')
  } catch {
    // It has ended meanwhile.
  }
}

/** Removes the namespaces `prefix`PID… of processes that were killed. */
export function reapNamespaces(prefix: string): void {
  for (const name of namespacesNamed(prefix)) {
    const pid = Number.parseInt(name.slice(prefix.length), 10)
    if (pid > 0 && !existsSync(`/proc/${pid}`)) removeNamespace(name)
  }
}

export function namespacesNamed(prefix: string): string[] {
  const folder = '/run/netns'
  if (!existsSync(folder)) return []
  return readdirSync(folder).filter((name) => name.startsWith(prefix))
}
