// Adds up vitest's JSON reports, refuses skipped interop tests, and prints the closing line.

import { readFileSync } from 'node:fs'

let passed = 0
let failed = 0
let skipped = 0
const skippedInterop = []
for (const file of process.argv.slice(2)) {
  const report = JSON.parse(readFileSync(file, 'utf8'))
  for (const suite of report.testResults) {
    if (suite.status === 'failed' && suite.assertionResults.length === 0) failed++
    for (const test of suite.assertionResults) {
      if (test.status === 'passed') passed++
      else if (test.status === 'failed') failed++
      else {
        skipped++
        if (/\/test\/(interop\/|link\/|net\/|roam\/|cli\/nc\.)/.test(suite.name)) skippedInterop.push(test.fullName)
      }
    }
  }
}
for (const name of skippedInterop) console.error(`skipped, and must not be: ${name}`)
console.log(`${passed} passed, ${failed + skippedInterop.length} failed, ${skipped} skipped`)
process.exit(failed + skippedInterop.length > 0 || passed === 0 ? 1 : 0)
