// Runs the built command as a shell would.

import { execFile } from 'node:child_process'
import { BUILD, needBuild } from '../harness/built.js'

export const MAIN = `${BUILD}/cli/main.js`

export interface CliResult {
  status: number | null
  stdout: string
  stderr: string
}

/** Runs `mptcp WORDS` to its end; it is killed after 30 s, and its status then is null. */
export function mptcp(words: readonly string[], input = ''): Promise<CliResult> {
  needBuild('cli/main.js', 'core.wasm')
  const options = {
    timeout: 30_000,
    env: { ...process.env, MPTCP_CORE: '', NO_COLOR: '1' },
    maxBuffer: 1 << 28,
  }
  return new Promise((resolve) => {
    const child = execFile(process.execPath, [MAIN, ...words], options, (_, stdout, stderr) =>
      resolve({ status: child.exitCode, stdout, stderr }),
    )
    child.stdin?.end(input)
  })
}
