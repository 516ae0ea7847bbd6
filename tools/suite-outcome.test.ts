import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { outcomeOfVitest, sumOfOutcomes } from './suite-outcome.ts'

const passedFile = { name: 'a.test.ts', status: 'passed', assertionResults: [{ status: 'passed', fullName: 'holds' }] }
const brokenFile = { name: 'b.test.ts', status: 'failed', assertionResults: [] }
const failedFile = { name: 'c.test.ts', status: 'failed', assertionResults: [{ status: 'failed', fullName: 'breaks' }] }

function outcomeOf(report: object | undefined, exitCode: number | null) {
  const directory = mkdtempSync(join(tmpdir(), 'kith-report-'))
  const path = join(directory, 'report.json')
  const counts = { numPassedTests: 0, numFailedTests: 0, numPendingTests: 0, numTodoTests: 0, testResults: [passedFile] }
  if (report !== undefined) writeFileSync(path, JSON.stringify({ ...counts, ...report }))
  const outcome = outcomeOfVitest('unit', path, exitCode)
  rmSync(directory, { recursive: true })
  return outcome
}

test.each([
  ['every test passed', { numPassedTests: 3 }, 0, { passed: 3, failed: 0 }],
  ['a test failed', { numPassedTests: 3, numFailedTests: 2 }, 1, { passed: 3, failed: 2 }],
  ['a skipped test proves nothing', { numPassedTests: 3, numPendingTests: 1 }, 0, { passed: 3, failed: 1 }],
  ['a file could not be loaded', { numPassedTests: 3, testResults: [passedFile, brokenFile] }, 1, { passed: 3, failed: 1 }],
  ['an error outside the tests', { numPassedTests: 3 }, 1, { passed: 3, failed: 1 }],
  ['no test was found', {}, 0, { passed: 0, failed: 1 }],
  ['ended before it reported', undefined, null, { passed: 0, failed: 1 }],
])('%s', (_, report, exitCode, counts) => {
  expect(outcomeOf(report, exitCode)).toMatchObject({ name: 'unit', ...counts })
})

test('what failed is told by name', () => {
  const report = { numPassedTests: 1, numFailedTests: 1, testResults: [passedFile, brokenFile, failedFile] }
  expect(outcomeOf(report, 1).failures).toEqual(['b.test.ts', 'failed: c.test.ts: breaks'])
  expect(outcomeOf({ numPassedTests: 1 }, 0).failures).toEqual([])
  expect(outcomeOf({ numPassedTests: 1 }, 1).failures).toHaveLength(1)
  expect(outcomeOf(undefined, null).failures).toHaveLength(1)
})

test('sums over suites', () => {
  const outcomes = [
    { name: 'a', passed: 1, failed: 0 },
    { name: 'b', passed: 2, failed: 3 },
  ]
  expect(sumOfOutcomes(outcomes)).toEqual({ passed: 3, failed: 3 })
})
