import { readFileSync } from 'node:fs'

/** How many checks of one suite held. */
export interface SuiteOutcome {
  readonly name: string
  readonly passed: number
  readonly failed: number
  /** What failed, as somebody can look for it. */
  readonly failures: readonly string[]
}

/** The part of Vitest's JSON report that is read here. */
interface VitestReport {
  readonly numPassedTests: number
  readonly numFailedTests: number
  readonly numPendingTests: number
  readonly numTodoTests: number
  readonly testResults: readonly VitestFile[]
}

interface VitestFile {
  readonly name: string
  readonly status: string
  readonly assertionResults: readonly { readonly status: string; readonly fullName: string }[]
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
    return { name, passed: 0, failed: 1, failures: ['ended before it reported'] }
  }
  const broken = report.testResults.filter((file) => file.status === 'failed' && file.assertionResults.length === 0)
  const failed = report.numFailedTests + report.numPendingTests + report.numTodoTests + broken.length
  const failures = [...broken.map((file) => file.name), ...report.testResults.flatMap(failuresIn)]
  if (failed > 0 || (exitCode === 0 && report.numPassedTests > 0)) return { name, passed: report.numPassedTests, failed, failures }
  return { name, passed: report.numPassedTests, failed: 1, failures: ['an error outside the tests, or no test at all'] }
}

function failuresIn({ name, assertionResults }: VitestFile): string[] {
  return assertionResults.filter(({ status }) => status !== 'passed').map(({ status, fullName }) => `${status}: ${name}: ${fullName}`)
}

export function sumOfOutcomes(outcomes: readonly Pick<SuiteOutcome, 'passed' | 'failed'>[]): {
  readonly passed: number
  readonly failed: number
} {
  return {
    passed: outcomes.reduce((sum, outcome) => sum + outcome.passed, 0),
    failed: outcomes.reduce((sum, outcome) => sum + outcome.failed, 0),
  }
}
