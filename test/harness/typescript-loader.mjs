// Loads the TypeScript of ts/ and test/ as it stands, for programs of the tests that are no tests of vitest's.

import { readFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import ts from 'typescript'

export async function resolve(specifier, context, next) {
  const own = specifier.startsWith('.') && context.parentURL?.endsWith('.ts')
  return next(own ? specifier.replace(/\.js$/, '.ts') : specifier, context)
}

export async function load(url, context, next) {
  if (!url.endsWith('.ts')) return next(url, context)
  return { format: 'module', source: await transpiled(url), shortCircuit: true }
}

/** The JavaScript of a file of TypeScript, its source map in it. */
export async function transpiled(url, transformers = {}) {
  const fileName = fileURLToPath(url)
  const { outputText } = ts.transpileModule(await readFile(fileName, 'utf8'), {
    fileName,
    compilerOptions: {
      target: ts.ScriptTarget.ES2022,
      module: ts.ModuleKind.ESNext,
      verbatimModuleSyntax: true,
      inlineSourceMap: true,
    },
    transformers,
  })
  return outputText
}
