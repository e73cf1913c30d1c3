// Only ts/tcp/ writes a Tcb: whoever else wants it changed calls a verb of tcp/. Nobody above the stack writes a
// connection: stack/calls.ts does. Found by the types, so that
// a part that was taken out first (`const { timers } = subflow.tcb`) counts as well.

import { join, relative, sep } from 'node:path'
import { fileURLToPath } from 'node:url'
import ts from 'typescript'
import { describe, expect, it } from 'vitest'

const ROOT = fileURLToPath(new URL('..', import.meta.url))

/** Methods that change what they are called on. */
const CHANGING = new Set([
  ...[
    'push',
    'pop',
    'shift',
    'unshift',
    'splice',
    'sort',
    'reverse',
    'fill',
    'clear',
    'set',
    'add',
  ],
  ...['delete', 'copyWithin'],
])

function compile(extra: ReadonlyMap<string, string>): ts.Program {
  const configPath = join(ROOT, 'tsconfig.json')
  const config = ts.parseJsonConfigFileContent(
    ts.readConfigFile(configPath, ts.sys.readFile).config,
    ts.sys,
    ROOT,
  )
  const host = ts.createCompilerHost(config.options)
  const { readFile, fileExists, getSourceFile } = host
  host.readFile = (name) => extra.get(name) ?? readFile(name)
  host.fileExists = (name) => extra.has(name) || fileExists(name)
  host.getSourceFile = (name, version) => {
    const text = extra.get(name)
    if (text === undefined) return getSourceFile(name, version)
    return ts.createSourceFile(name, text, version, true)
  }
  return ts.createProgram([...config.fileNames, ...extra.keys()], config.options, host)
}

/** Where a state is written, as files. */
function stateWriters(program: ts.Program, declaredIn: string, owner: string): string[] {
  const checker = program.getTypeChecker()
  const source = program.getSourceFile(join(ROOT, declaredIn))!
  const type = checker.getTypeAtLocation(
    source.statements.find((each) => ts.isInterfaceDeclaration(each) && each.name.text === owner)!,
  )
  const state = checker.getPropertyOfType(type, 'state')
  expect(state).toBeDefined()
  const found = new Set<string>()
  const visit = (node: ts.Node): void => {
    if (
      ts.isBinaryExpression(node) &&
      node.operatorToken.kind === ts.SyntaxKind.EqualsToken &&
      ts.isPropertyAccessExpression(node.left) &&
      checker.getSymbolAtLocation(node.left.name) === state
    ) {
      found.add(relative(ROOT, node.getSourceFile().fileName))
    }
    ts.forEachChild(node, visit)
  }
  for (const file of program.getSourceFiles()) {
    if (file.fileName.startsWith(join(ROOT, 'ts'))) visit(file)
  }
  return [...found]
}

/** Whose state it is: the folder that declares it, the types, and the folders whose files may write it. */
interface Owned {
  folder: string
  types: readonly (readonly [file: string, type: string])[]
  writers: readonly string[]
}

const TCB: Owned = {
  folder: 'ts/tcp',
  types: [
    ['tcb.ts', 'Tcb'],
    ['tcb.ts', 'SentSegment'],
  ],
  writers: ['ts/tcp'],
}

/** What applications set on it goes through stack/calls.ts. */
const CONNECTION: Owned = {
  folder: 'ts/mptcp',
  types: [
    ['connection.ts', 'Connection'],
    ['subflow.ts', 'Subflow'],
  ],
  writers: ['ts/mptcp', 'ts/stack'],
}

/** The places that write what is not theirs, as `file:line text`. */
function foreignWrites(program: ts.Program, owned: Owned): string[] {
  const checker = program.getTypeChecker()
  const folder = join(ROOT, owned.folder) + sep
  /** Symbols of the fields that the types are made of, at any depth, where the folder declares them. */
  const fields = new Set<ts.Symbol>()
  const collect = (type: ts.Type): void => {
    for (const property of checker.getPropertiesOfType(checker.getNonNullableType(type))) {
      const declaration = property.valueDeclaration
      if (declaration === undefined || fields.has(property)) continue
      if (!declaration.getSourceFile().fileName.startsWith(folder)) continue
      fields.add(property)
      collect(checker.getTypeOfSymbol(property))
    }
  }
  const typeOf = (file: string, name: string): ts.Type => {
    const { statements } = program.getSourceFile(join(folder, file))!
    return checker.getTypeAtLocation(
      statements.find((each) => ts.isInterfaceDeclaration(each) && each.name.text === name)!,
    )
  }
  for (const [file, type] of owned.types) collect(typeOf(file, type))
  if (owned === TCB) {
    // The connection's, which its subflows share: a user may set them. And what a chunk is to MPTCP.
    const shared = checker.getPropertyOfType(typeOf('tcb.ts', 'Tcb'), 'settings')!
    fields.delete(checker.getPropertyOfType(typeOf('tcb.ts', 'Chunk'), 'sum')!)
    for (const property of checker.getPropertiesOfType(checker.getTypeOfSymbol(shared))) {
      fields.delete(property)
    }
  }

  const found: string[] = []
  const isField = (node: ts.Node): boolean => {
    const symbol = checker.getSymbolAtLocation(node)
    return symbol !== undefined && fields.has(symbol)
  }
  const isTarget = (node: ts.Node): boolean =>
    (ts.isPropertyAccessExpression(node) && isField(node.name)) ||
    (ts.isElementAccessExpression(node) && isPart(node.expression))
  /** An expression whose value is a part of it: `tcb.timers`, or a name that it was given. */
  const isPart = (node: ts.Expression): boolean => {
    if (ts.isPropertyAccessExpression(node)) return isField(node.name)
    if (!ts.isIdentifier(node)) return false
    const declaration = checker.getSymbolAtLocation(node)?.valueDeclaration
    if (declaration === undefined) return false
    if (ts.isBindingElement(declaration)) {
      const { propertyName, name } = declaration
      const type = checker.getTypeAtLocation(declaration.parent)
      const property = checker.getPropertyOfType(type, (propertyName ?? name).getText())
      return property !== undefined && fields.has(property)
    }
    return (
      ts.isVariableDeclaration(declaration) &&
      declaration.initializer !== undefined &&
      isPart(declaration.initializer)
    )
  }
  const visit = (node: ts.Node): void => {
    let isWrite = false
    if (ts.isBinaryExpression(node)) {
      const { kind } = node.operatorToken
      const assigns = kind >= ts.SyntaxKind.FirstAssignment && kind <= ts.SyntaxKind.LastAssignment
      isWrite = assigns && isTarget(node.left)
    } else if (ts.isPrefixUnaryExpression(node) || ts.isPostfixUnaryExpression(node)) {
      const { operator, operand } = node
      const steps =
        operator === ts.SyntaxKind.PlusPlusToken || operator === ts.SyntaxKind.MinusMinusToken
      isWrite = steps && isTarget(operand)
    } else if (ts.isDeleteExpression(node)) isWrite = isTarget(node.expression)
    else if (ts.isCallExpression(node) && ts.isPropertyAccessExpression(node.expression)) {
      const { expression, name } = node.expression
      isWrite = CHANGING.has(name.text) && isPart(expression)
      if (expression.getText() === 'Object' && name.text === 'assign') {
        isWrite = isPart(node.arguments[0]!)
      }
    }
    if (isWrite) {
      const file = node.getSourceFile()
      const { line } = file.getLineAndCharacterOfPosition(node.getStart())
      found.push(`${relative(ROOT, file.fileName)}:${line + 1} ${node.getText()}`)
    }
    ts.forEachChild(node, visit)
  }
  for (const file of program.getSourceFiles()) {
    const { fileName } = file
    if (fileName.includes('node_modules')) continue
    if (owned.writers.some((writer) => fileName.startsWith(join(ROOT, writer) + sep))) continue
    if (fileName.startsWith(join(ROOT, 'ts'))) visit(file)
  }
  return found
}

/** Files that do what nobody may, compiled beside the others. */
const PLANTED_BELOW = join(ROOT, 'ts/mptcp/planted.ts')
const PLANTED_ABOVE = join(ROOT, 'ts/socket/planted.ts')
const PLANTED: ReadonlyMap<string, string> = new Map([
  [
    PLANTED_BELOW,
    `import type { Subflow } from './subflow.js'
export function plant(subflow: Subflow, other: { state: string; retransmit: number }): void {
  subflow.tcb.state = 'CLOSED'
  subflow.tcb.rcv.nxt++
  const { timers, ack: owed } = subflow.tcb
  timers.retransmit = 0
  owed.unacked += 1
  subflow.tcb.sent.at(0).marks = 0
  subflow.tcb.sent.clear()
  const runs = subflow.tcb.rcv.recentRuns
  runs.push(1)
  runs[0] = 2
  Object.assign(subflow.tcb.snd, { una: 0 })
  other.state = 'no Tcb'
  other.retransmit = 0
  subflow.tcb.settings.ttl = 1
  subflow.stale = subflow.tcb.rcv.recentRuns.includes(1)
}
`,
  ],
  [
    PLANTED_ABOVE,
    `import type { Connection } from '../mptcp/connection.js'
export function plant(connection: Connection): void {
  connection.snd.cork = true
  connection.detached = true
}
`,
  ],
])

describe('a Tcb', () => {
  const program = compile(PLANTED)
  const isPlanted = (place: string): boolean => place.includes('planted.ts')
  const linesIn = (places: readonly string[], file: string): number[] =>
    places
      .filter((each) => each.startsWith(relative(ROOT, file)))
      .map((each) => Number(/:(\d+) /.exec(each)![1]))

  it('is written by ts/tcp/ alone', () => {
    const writes = foreignWrites(program, TCB)
    expect(writes.filter((each) => !isPlanted(each))).toEqual([])
    // The test sees what it looks for.
    expect(linesIn(writes, PLANTED_BELOW)).toEqual([3, 4, 6, 7, 8, 9, 11, 12, 13])
  })

  it('nor is a connection, or a subflow, written by who stands above the stack', () => {
    const writes = foreignWrites(program, CONNECTION)
    expect(writes.filter((each) => !isPlanted(each))).toEqual([])
    expect(linesIn(writes, PLANTED_ABOVE)).toEqual([3, 4])
  })

  it('changes its state in one place, which knows the edges; a connection too', () => {
    const ours = (files: readonly string[]): string[] => files.filter((each) => !isPlanted(each))
    expect(ours(stateWriters(program, 'ts/tcp/tcb.ts', 'Tcb'))).toEqual(['ts/tcp/state.ts'])
    expect(stateWriters(program, 'ts/mptcp/connection.ts', 'Connection')).toEqual([
      'ts/mptcp/data-state.ts',
    ])
  })
})
