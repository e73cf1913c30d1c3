// The short form of `npm run roam`: ten seconds over IPv4, for each way and peer.

import { afterAll, describe, expect, it } from 'vitest'
import { withoutBed } from '../harness/bed.js'
import { namespacesLeft } from './net.js'
import { roam } from './roam.js'

describe.skipIf(withoutBed())('a host whose network changes', () => {
  afterAll(() => expect(namespacesLeft()).toEqual([]))

  const cases = (['up', 'down'] as const).flatMap((way) =>
    (['kernel', 'ours'] as const).map((peer) => ({ way, peer })),
  )

  // They wait more than they work.
  it.concurrent.each(cases)('goes on: $way, $peer at the other end', async ({ way, peer }) => {
    const { problems, bytes } = await roam({ seconds: 10, way, peer, family: 4 })
    expect(problems).toEqual([])
    expect(bytes).toBeGreaterThan(1_000_000)
  })
})
