// Where a machine may be named: `node:` appears only in the folders below, every host file that a browser
// needs has a form for it, and tsconfig.browser.json reads all that must know neither.

import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import ts from 'typescript'
import { describe, expect, it } from 'vitest'

const ROOT = fileURLToPath(new URL('..', import.meta.url))
const TS = join(ROOT, 'ts')

const files = readdirSync(TS, { recursive: true, encoding: 'utf8' }).filter((name) =>
  name.endsWith('.ts'),
)
const textOf = (file: string): string => readFileSync(join(TS, file), 'utf8')

/** May be written for Node; of socket/, not what the BSD calls are made of. */
const NODE = /^(host|link|socket|net|cli)\/|^packetdrill\/(runner|report)/
const BROWSER_FORM = /^host\/.*\.browser\.ts$/

/** Specifiers of what a text imports and exports from, types too. */
function importsIn(text: string): string[] {
  return ts.preProcessFile(text, true, true).importedFiles.map(({ fileName }) => fileName)
}

/** `file` and all that it imports, directly or not. */
function below(file: string, found = new Set<string>()): Set<string> {
  if (found.has(file)) return found
  found.add(file)
  for (const specifier of importsIn(textOf(file))) {
    if (!specifier.startsWith('.')) continue
    below(relative(TS, resolve(TS, dirname(file), specifier)).replace(/\.js$/, '.ts'), found)
  }
  return found
}

const namesNode = (file: string): boolean =>
  importsIn(textOf(file)).some((specifier) => specifier.startsWith('node:'))

describe('node:', () => {
  const bsd = below('socket/bsd.ts')

  it('appears only in host, link, socket, net, the runner of packetdrill and the command', () => {
    expect(files.filter((file) => namesNode(file) && !NODE.test(file))).toEqual([])
  })

  it('appears neither below the BSD calls, but in host, nor in what a browser is given', () => {
    expect(bsd.size).toBeGreaterThan(50)
    expect([...bsd].filter((file) => namesNode(file) && !file.startsWith('host/'))).toEqual([])
    expect(files.filter((file) => namesNode(file) && BROWSER_FORM.test(file))).toEqual([])
  })

  it('is seen where it is', () => {
    expect(namesNode('host/random-bytes.ts')).toBe(true)
    expect(namesNode('link/raw/guard.ts')).toBe(true)
    expect(importsIn("const fs = await import('node:fs')")).toEqual(['node:fs'])
    expect(importsIn("export type { Server } from 'node:net'")).toEqual(['node:net'])
    expect(bsd.has('tcp/input.ts')).toBe(true)
  })
})

describe('the browser', () => {
  const node = files.filter((file) => /^host\/[^.]+\.ts$/.test(file))

  it('has its own form of every host file, which package.json puts in the place of the other', () => {
    const manifest = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'))
    const forms = node.map((file) => file.replace(/\.ts$/, ''))
    expect(forms.length).toBeGreaterThan(4)
    expect(manifest.browser).toEqual(
      Object.fromEntries(forms.map((form) => [`./build/${form}.js`, `./build/${form}.browser.js`])),
    )
    expect(files.filter((file) => BROWSER_FORM.test(file)).sort()).toEqual(
      forms.map((form) => `${form}.browser.ts`).sort(),
    )
  })

  it('both forms of a host file export the same names', () => {
    const namesIn = (file: string): string[] =>
      [...textOf(file).matchAll(/^export (?:async )?\w+ (\w+)/gm)].map((match) => match[1]!).sort()
    for (const file of node) {
      expect(namesIn(file).length, file).toBeGreaterThan(0)
      expect(namesIn(file.replace(/\.ts$/, '.browser.ts')), file).toEqual(namesIn(file))
    }
  })

  it('is what tsconfig.browser.json reads everything below socket for, without types of Node', () => {
    const config = join(ROOT, 'tsconfig.browser.json')
    const { options, fileNames } = ts.getParsedCommandLineOfConfigFile(config, undefined, {
      ...ts.sys,
      onUnRecoverableConfigFileDiagnostic: ({ messageText }) => {
        throw new Error(ts.flattenDiagnosticMessageText(messageText, '\n'))
      },
    })!
    expect(options.types).toEqual([])
    expect(options.lib).toEqual(['lib.es2023.d.ts'])
    const read = new Set(fileNames.map((name) => relative(TS, name)))
    const above = /^(socket|net|packetdrill|cli)\/|^index\.ts$|^link\/(raw|watch)/
    expect(
      files.filter((file) => !above.test(file) && !node.includes(file) && !read.has(file)),
    ).toEqual([])
    expect(read.has('socket/bsd.ts')).toBe(true)
  })
})
