// Where the compiled package lies: processes in other namespaces run it, not the TypeScript.

import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

export const BUILD = fileURLToPath(new URL('../../build', import.meta.url))
export const KERNEL_PEER = fileURLToPath(new URL('./kernel-peer.mjs', import.meta.url))
export const RAW_PEER = fileURLToPath(new URL('./raw-peer.mjs', import.meta.url))
export const WEB_PEER = fileURLToPath(new URL('./web-peer.mjs', import.meta.url))
export const RAW_PROBE = fileURLToPath(new URL('./raw-probe.mjs', import.meta.url))

/** Throws if a compiled module is missing. */
export function needBuild(...modules: string[]): void {
  for (const module of modules) {
    if (!existsSync(`${BUILD}/${module}`)) {
      throw new Error(`build/${module} is missing: run \`npm run build\` first`)
    }
  }
}
