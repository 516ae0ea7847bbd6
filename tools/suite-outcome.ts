import { readFileSync } from 'node:fs'

/** How many checks of one suite held. */
export interface SuiteOutcome {
  readonly name: string
  readonly passed: number
  readonly failed: number
}

/** The part of Vitest's JSON report that is read here. */
interface VitestReport {
  readonly numPassedTests: number
  readonly numFailedTests: number
  readonly numPendingTests: number
  readonly numTodoTests: number
  readonly testResults: readonly { readonly status: string; readonly assertionResults: readonly unknown[] }[]
}

/**
 * Counts a Vitest report. A skipped test counts as failed, because it proves nothing; so do a file that could not be loaded,
 * a run that found no test, and a run that ended badly although every test passed.
 */
export function outcomeOfVitest(name: string, reportPath: string, exitCode: number | null): SuiteOutcome {
  let report: VitestReport
  try {
    report = JSON.parse(readFileSync(reportPath, 'utf8')) as VitestReport
  } catch {
    return { name, passed: 0, failed: 1 }
  }
  const broken = report.testResults.filter((file) => file.status === 'failed' && file.assertionResults.length === 0).length
  const failed = report.numFailedTests + report.numPendingTests + report.numTodoTests + broken
  const endedBadly = failed === 0 && (exitCode !== 0 || report.numPassedTests === 0)
  return { name, passed: report.numPassedTests, failed: failed + (endedBadly ? 1 : 0) }
}

export function sumOfOutcomes(outcomes: readonly SuiteOutcome[]): { readonly passed: number; readonly failed: number } {
  return {
    passed: outcomes.reduce((sum, outcome) => sum + outcome.passed, 0),
    failed: outcomes.reduce((sum, outcome) => sum + outcome.failed, 0),
  }
}
