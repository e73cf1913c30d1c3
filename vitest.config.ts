// Two projects. `unit` computes: a worker for each core, which its files share, so that what they import is
// loaded once. `kernel` needs root and Linux's MPTCP, and waits more than it works: one file more than
// there are cores at once, each in namespaces of its own, when `unit` has ended.

import { availableParallelism } from 'node:os'
import { configDefaults, defineConfig } from 'vitest/config'

const KERNEL = [
  'test/interop/**/*.test.ts',
  'test/link/raw.test.ts',
  'test/link/watch.test.ts',
  'test/net/kernel.test.ts',
  'test/cli/nc.test.ts',
  'test/roam/**/*.test.ts',
]
const CORES = availableParallelism()

export default defineConfig({
  test: {
    pool: 'forks',
    testTimeout: 60_000,
    reporters: ['default'],
    projects: [
      {
        extends: true,
        test: {
          name: 'unit',
          include: ['test/**/*.test.ts'],
          exclude: [...configDefaults.exclude, ...KERNEL],
          setupFiles: ['test/harness/after-each.ts'],
          isolate: false,
          maxWorkers: CORES,
          sequence: { groupOrder: 0 },
        },
      },
      {
        extends: true,
        test: {
          name: 'kernel',
          include: KERNEL,
          maxWorkers: CORES + 1,
          sequence: { groupOrder: 1 },
        },
      },
    ],
  },
})
