// Loads the TypeScript of ts/ and test/ as it stands, and puts a counter into every block of ts/: function
// bodies, branches, cases, loops, the right of && || ??, both sides of ?:. The counters lie in one array on
// globalThis, which coverage.ts reads after each input: what the inspector's precise coverage tells as well,
// but at the speed of an increment, so that every input can be looked at.

import { readFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import ts from 'typescript'

export { resolve } from '../harness/typescript-loader.mjs'

const counted = new URL('../../ts/', import.meta.url).href
const { SyntaxKind: Kind, factory } = ts

/** One number a block, over all files. */
let blocks = 0

export async function load(url, context, next) {
  if (!url.endsWith('.ts')) return next(url, context)
  const isCounted = url.startsWith(counted)
  const { outputText } = ts.transpileModule(await readFile(fileURLToPath(url), 'utf8'), {
    fileName: fileURLToPath(url),
    compilerOptions: {
      target: ts.ScriptTarget.ES2022,
      module: ts.ModuleKind.ESNext,
      verbatimModuleSyntax: true,
      inlineSourceMap: true,
    },
    transformers: isCounted ? { before: [countBlocks] } : {},
  })
  // On the first line, so that the lines of the source map stay right. Files do not run in the order in
  // which they were loaded.
  const head = isCounted
    ? `const __blocks = globalThis.mptcpBlocks; globalThis.mptcpBlockCount = Math.max(globalThis.mptcpBlockCount, ${blocks});`
    : ''
  return { format: 'module', source: head + outputText, shortCircuit: true }
}

const hit = () =>
  factory.createPostfixIncrement(
    factory.createElementAccessExpression(factory.createIdentifier('__blocks'), blocks++),
  )
const hitStatement = () => factory.createExpressionStatement(hit())
const counting = (expression) =>
  factory.createParenthesizedExpression(factory.createComma(hit(), expression))
const LOGICAL = [Kind.AmpersandAmpersandToken, Kind.BarBarToken, Kind.QuestionQuestionToken]

function countBlocks(context) {
  const visit = (node) => {
    const seen = ts.visitEachChild(node, visit, context)
    switch (seen.kind) {
      case Kind.Block:
        return factory.updateBlock(seen, [hitStatement(), ...seen.statements])
      case Kind.CaseClause:
        return factory.updateCaseClause(seen, seen.expression, [hitStatement(), ...seen.statements])
      case Kind.DefaultClause:
        return factory.updateDefaultClause(seen, [hitStatement(), ...seen.statements])
      case Kind.IfStatement:
        return factory.updateIfStatement(
          seen,
          seen.expression,
          block(seen.thenStatement),
          seen.elseStatement === undefined ? undefined : block(seen.elseStatement),
        )
      case Kind.ArrowFunction:
        if (ts.isBlock(seen.body)) return seen
        return factory.updateArrowFunction(
          seen,
          seen.modifiers,
          seen.typeParameters,
          seen.parameters,
          seen.type,
          seen.equalsGreaterThanToken,
          counting(seen.body),
        )
      case Kind.ConditionalExpression:
        return factory.updateConditionalExpression(
          seen,
          seen.condition,
          seen.questionToken,
          counting(seen.whenTrue),
          seen.colonToken,
          counting(seen.whenFalse),
        )
      case Kind.BinaryExpression:
        if (!LOGICAL.includes(seen.operatorToken.kind)) return seen
        return factory.updateBinaryExpression(
          seen,
          seen.left,
          seen.operatorToken,
          counting(seen.right),
        )
      default:
        return seen
    }
  }
  return (file) => ts.visitNode(file, visit)
}

/** A branch without braces. */
function block(statement) {
  return ts.isBlock(statement) ? statement : factory.createBlock([hitStatement(), statement])
}
