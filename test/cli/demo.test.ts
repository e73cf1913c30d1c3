// The demo over fast paths: what it reports, and what it says.

import { createHash } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import type { DemoReport } from '../../ts/cli/demo-run.js'
import { randomBytes } from '../contract/cores.js'
import { mptcp } from './cli.js'

const folder = mkdtempSync(join(tmpdir(), 'mptcp-demo-'))
const FAST = ['--path', '100,2', '--path', '50,4']
/** Slow enough that the paths are the limit, also on a machine that is busy: only then both are filled. */
const PACED = ['--path', '20,2', '--path', '10,4']
/** Section header, interface description, enhanced packet. */
const SECTION = 0x0a0d0d0a
const INTERFACE = 1
const PACKET = 6

afterAll(() => rmSync(folder, { recursive: true }))

async function demo(
  words: string[],
  paths = FAST,
): Promise<{ status: number | null; stderr: string; report: DemoReport }> {
  const { status, stdout, stderr } = await mptcp(['demo', ...paths, ...words, '--json'])
  if (stdout === '') throw new Error(`status ${status}: ${stderr}`)
  return { status, stderr, report: JSON.parse(stdout) as DemoReport }
}

describe('mptcp demo', () => {
  it.each(['wasm', 'js'])('a file crosses both paths whole (core %s)', async (core) => {
    const file = join(folder, 'file')
    const bytes = randomBytes(2_000_000, 11)
    writeFileSync(file, bytes)
    const { status, stderr, report } = await demo([file, '--no-cut', '--core', core], PACED)
    const sha256 = createHash('sha256').update(bytes).digest('hex')
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
    expect(report).toMatchObject({
      core,
      source: file,
      bytesSent: bytes.length,
      bytesReceived: bytes.length,
      sha256Sent: sha256,
      sha256Received: sha256,
      whole: true,
      multipath: true,
      fallbackReason: null,
      cut: null,
    })
    expect(report.ratio).toBeGreaterThan(0.2)
    expect(report.ratio).toBeLessThan(1)
    for (const { wireBytes } of report.paths) expect(wireBytes).toBeGreaterThan(100_000)
  })

  it('a path that is cut half-way costs nothing but time', async () => {
    const { status, report } = await demo(['--size', '8000000', '--checksum'])
    expect({ status, whole: report.whole, checksum: report.checksum }).toEqual({
      status: 0,
      whole: true,
      checksum: true,
    })
    expect(report.cut).toMatchObject({ path: 'path1' })
    expect(report.reinjections).toBeGreaterThan(0)
  })

  it.concurrent('the seed decides the data', async () => {
    const sha = async (seed: string): Promise<string> =>
      (await demo(['--size', '100000', '--no-cut', '--seed', seed])).report.sha256Received
    const [one, same, other] = await Promise.all(['1', '1', '2'].map(sha))
    expect(same).toBe(one)
    expect(other).not.toBe(one)
  })

  it.concurrent('says a line a second where there is no terminal, and what came of it', async () => {
    const { status, stdout, stderr } = await mptcp([
      'demo',
      '--path',
      '8,5',
      '--path',
      '8,5',
      '--size',
      '3000000',
    ])
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
    expect(stdout).toMatch(/^ +\d+\.\d s +\d+% +path1 .*Mbit\/s.*srtt.*cwnd.*ESTABLISHED/m)
    expect(stdout).toContain('path1 is cut')
    expect(stdout).toContain('the same')
    expect(stdout).toMatch(/goodput +\d+\.\d Mbit\/s over \d/)
    expect(stdout).not.toContain('\x1b')
  })

  it.concurrent('--pcap writes an interface for each path and a block for each packet', async () => {
    const file = join(folder, 'demo.pcapng')
    const { report } = await demo(['--size', '200000', '--no-cut', '--pcap', file])
    const bytes = readFileSync(file)
    const blocks: number[] = []
    for (let at = 0; at < bytes.length; at += bytes.readUInt32LE(at + 4)) {
      blocks.push(bytes.readUInt32LE(at))
    }
    expect(blocks[0]).toBe(SECTION)
    expect(blocks.filter((type) => type === INTERFACE)).toHaveLength(2)
    const { client } = report.counters
    const packets = client.IpInReceives + client.IpOutRequests - client.IpOutDiscards
    expect(blocks.filter((type) => type === PACKET).length).toBeGreaterThanOrEqual(packets)
  })
})
