// Loads the TypeScript of ts/ and test/ as it stands, for programs of the tests that are no tests of vitest's.
// Measured: 0.4 s for two stacks and the emulator, where TypeScript's own transpileModule takes 2.5 (2 cores, busy).

import { readFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { transformSync } from 'rolldown/utils'

export async function resolve(specifier, context, next) {
  const own = specifier.startsWith('.') && context.parentURL?.endsWith('.ts')
  return next(own ? specifier.replace(/\.js$/, '.ts') : specifier, context)
}

export async function load(url, context, next) {
  if (!url.endsWith('.ts')) return next(url, context)
  const fileName = fileURLToPath(url)
  const source = javaScriptOf(fileName, await readFile(fileName, 'utf8'))
  return { format: 'module', source, shortCircuit: true }
}

/** With its source map. */
export function javaScriptOf(fileName, text) {
  const { code, map, errors } = transformSync(fileName, text, {
    target: 'es2022',
    typescript: { onlyRemoveTypeImports: true },
    sourcemap: true,
  })
  if (errors.length > 0) throw new Error(`${fileName}: ${errors[0].message}`)
  const source = Buffer.from(JSON.stringify(map)).toString('base64')
  return `${code}\n//# sourceMappingURL=data:application/json;base64,${source}\n`
}
