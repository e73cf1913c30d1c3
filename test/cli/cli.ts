// Runs the built command as a shell would.

import { spawnSync } from 'node:child_process'
import { BUILD, needBuild } from '../harness/built.js'

export const MAIN = `${BUILD}/cli/main.js`

export interface CliResult {
  status: number | null
  stdout: string
  stderr: string
}

/** Runs `mptcp WORDS` to its end; it is killed after 30 s, and its status then is null. */
export function mptcp(words: readonly string[], input = ''): CliResult {
  needBuild('cli/main.js', 'core.wasm')
  const { status, stdout, stderr } = spawnSync(process.execPath, [MAIN, ...words], {
    input,
    encoding: 'utf8',
    timeout: 30_000,
    env: { ...process.env, MPTCP_CORE: '', NO_COLOR: '1' },
  })
  return { status, stdout, stderr }
}
