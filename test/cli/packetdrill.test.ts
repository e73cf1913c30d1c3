// `mptcp packetdrill` as a shell sees it: order, exit status, what goes where.

import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { mptcp } from './cli.js'

const SOCKET = '0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3\n'

let folder = ''

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'packetdrill-'))
  for (const name of ['empty', 'good', 'bad']) mkdirSync(join(folder, name))
  writeFileSync(join(folder, 'good', 'b.pkt'), SOCKET)
  writeFileSync(join(folder, 'good', 'a.pkt'), `\`./defaults.sh\n true\`\n${SOCKET}`)
  writeFileSync(join(folder, 'bad', 'c.pkt'), `${SOCKET}+0 listen(3, 1) = 5\n`)
  writeFileSync(join(folder, 'bad', 'a.pkt'), `${SOCKET}+0 listen 3\n`)
  writeFileSync(join(folder, 'bad', 'b.pkt'), SOCKET)
})

afterAll(() => rmSync(folder, { recursive: true }))

async function run(
  ...words: string[]
): Promise<{ status: number | null; out: string[]; err: string }> {
  const { status, stdout, stderr } = await mptcp(['packetdrill', ...words])
  const out = stdout.replaceAll(folder, '').trimEnd().split('\n')
  return { status, out, err: stderr.replaceAll(folder, '') }
}

describe.concurrent('mptcp packetdrill', () => {
  it('ends with how many passed, and 0', async () => {
    expect(await run(join(folder, 'good'))).toEqual({
      status: 0,
      out: ['2 passed, 0 failed'],
      err: '',
    })
  })

  it('ends with 1 where one fails, and shows both sides', async () => {
    const { status, out, err } = await run(join(folder, 'bad', 'c.pkt'), join(folder, 'good'))
    expect(out).toEqual([
      '/bad/c.pkt:2: at 0: listen() returned something else',
      '  expected: 5',
      '  actual:   0',
      '2 passed, 1 failed',
    ])
    expect([status, err]).toEqual([1, ''])
  })

  it('ends with 2 where one does not parse, and runs the others', async () => {
    const { status, out, err } = await run(join(folder, 'bad'))
    expect(err).toBe("/bad/a.pkt:2:11: unexpected '3', expected '('\n")
    expect(out[0]).toBe('/bad/c.pkt:2: at 0: listen() returned something else')
    expect(out.at(-1)).toBe('1 passed, 2 failed')
    expect(status).toBe(2)
  })

  it('-v prints each event, in the order of the files', async () => {
    const { out } = await run('-v', join(folder, 'good', 'b.pkt'), join(folder, 'good', 'a.pkt'))
    expect(out).toEqual([
      '/good/a.pkt:',
      '  0 line 1: `./defaults.sh',
      '       true`',
      `  0 line 3: ${SOCKET.trim()}`,
      '/good/b.pkt:',
      `  0 line 1: ${SOCKET.trim()}`,
      '2 passed, 0 failed',
    ])
  })

  it.each([
    ['no/such.pkt', /no\/such\.pkt: no such file or folder/],
    ['empty', /no \.pkt file in .*empty/],
  ])('refuses %s', async (name, problem) => {
    const { status, err } = await run(join(folder, name))
    expect(err).toMatch(problem)
    expect(status).toBe(2)
  })
})
