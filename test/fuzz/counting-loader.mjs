// Loads the TypeScript of ts/ and test/ as it stands, and puts a counter into every block of ts/: function
// bodies, branches, cases, loops, the right of && || ??, both sides of ?:. The counters lie in one array on
// globalThis, which coverage.ts reads after each input: what the inspector's precise coverage tells as well,
// but at the speed of an increment, so that every input can be looked at.

import { readFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { parseSync } from 'rolldown/utils'
import { javaScriptOf } from '../harness/typescript-loader.mjs'

export { resolve } from '../harness/typescript-loader.mjs'

const counted = new URL('../../ts/', import.meta.url).href

/** One number a block, over all files. */
let blocks = 0

export async function load(url, context, next) {
  if (!url.endsWith('.ts')) return next(url, context)
  const fileName = fileURLToPath(url)
  const text = await readFile(fileName, 'utf8')
  const source = javaScriptOf(
    fileName,
    url.startsWith(counted) ? withCounters(fileName, text) : text,
  )
  return { format: 'module', source, shortCircuit: true }
}

/** The same lines: what is put in has no end of line. */
function withCounters(fileName, text) {
  const { program, errors } = parseSync(fileName, text)
  if (errors.length > 0) throw new Error(`${fileName}: ${errors[0].message}`)
  const insertions = []
  countBlocks(program, (at, inserted) => insertions.push({ at, inserted }))
  // Stable: of those at one place, what encloses begins first and ends last.
  insertions.sort((one, other) => one.at - other.at)
  let done = 0
  let result = ''
  for (const { at, inserted } of insertions) {
    result += text.slice(done, at) + inserted
    done = at
  }
  // Files do not run in the order in which they were loaded.
  const head = `const __blocks = globalThis.mptcpBlocks; globalThis.mptcpBlockCount = Math.max(globalThis.mptcpBlockCount, ${blocks}); `
  return head + result + text.slice(done)
}

const hit = () => `__blocks[${blocks++}]++`

/** What is counted of a node, as the names of what it holds: expressions, or statements that may have no braces. */
const EXPRESSIONS = {
  ConditionalExpression: ['consequent', 'alternate'],
  LogicalExpression: ['right'],
}
const STATEMENTS = {
  IfStatement: ['consequent', 'alternate'],
  ForStatement: ['body'],
  ForInStatement: ['body'],
  ForOfStatement: ['body'],
  WhileStatement: ['body'],
  DoWhileStatement: ['body'],
}

function countBlocks(node, insert) {
  const { type } = node
  if (type === 'BlockStatement') insert(node.start + 1, `${hit()};`)
  if (type === 'SwitchCase') insert(node.consequent[0]?.start ?? node.end, `${hit()};`)
  const expressions =
    type === 'ArrowFunctionExpression' && node.body.type !== 'BlockStatement'
      ? ['body']
      : (EXPRESSIONS[type] ?? [])
  for (const [name, held] of Object.entries(node)) {
    const isStatement = STATEMENTS[type]?.includes(name) && held?.type !== 'BlockStatement'
    for (const child of Array.isArray(held) ? held : [held]) {
      if (typeof child?.type !== 'string') continue
      const [open, close] = expressions.includes(name) ? ['(', ')'] : isStatement ? ['{', '}'] : []
      if (open !== undefined) insert(child.start, `${open}${hit()}${open === '(' ? ',' : ';'}`)
      countBlocks(child, insert)
      if (open !== undefined) insert(child.end, close)
    }
  }
}
