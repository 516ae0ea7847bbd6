/**
 * `node tools/run-suites.ts SUITE…` runs the named suites one after the other, goes on after a failure, and ends with one line
 * `N passed, N failed` over all of them. Each gate counts as one, each test as one.
 */
import { mkdirSync, rmSync } from 'node:fs'
import { chromiumPath } from './chromium.ts'
import { gateCommands } from './gate-commands.ts'
import { runCommand } from './run-command.ts'
import { outcomeOfVitest, sumOfOutcomes, type SuiteOutcome } from './suite-outcome.ts'

const reports = '.tmp/reports'
const minute = 60_000
/** Timeouts end what hangs, also on a machine with much else to do; what is usual is a third of them and less. */
const gateTimeoutMs = 10 * minute

interface VitestSuite {
  readonly config: string
  readonly timeoutMs: number
  /** For a suite that needs a browser: those of its projects that run without one. */
  readonly withoutBrowser?: readonly string[]
}

const vitestSuites = new Map<string, VitestSuite>([
  ['unit', { config: 'vitest.config.ts', timeoutMs: 25 * minute, withoutBrowser: ['unit', 'gates'] }],
  // The time is for the seeds of a CI run; whoever asks for more seeds waits for them.
  [
    'simulation',
    { config: 'vitest.simulation.config.ts', timeoutMs: process.env['KITH_SEEDS'] === undefined ? 15 * minute : 5 * 60 * minute },
  ],
  ['conformance', { config: 'vitest.conformance.config.ts', timeoutMs: 10 * minute }],
  ['e2e', { config: 'vitest.e2e.config.ts', timeoutMs: 30 * minute, withoutBrowser: [] }],
])

async function runGates(): Promise<SuiteOutcome[]> {
  const outcomes: SuiteOutcome[] = []
  for (const [name, command] of Object.entries({ ...gateCommands, 'bundle sizes': ['node', 'tools/check-bundles.ts'] })) {
    const startedAt = performance.now()
    const { exitCode, output } = await runCommand(command, { quiet: true, timeoutMs: gateTimeoutMs })
    const seconds = ((performance.now() - startedAt) / 1000).toFixed(1)
    const passed = exitCode === 0
    console.log(`${passed ? 'ok    ' : 'FAILED'} ${name} (${seconds} s)`)
    if (!passed) console.log(`${output.trimEnd()}\n`)
    outcomes.push({ name, passed: passed ? 1 : 0, failed: passed ? 0 : 1, failures: [] })
  }
  return outcomes
}

/** Without a browser, runs what needs none and counts the rest as one failure. */
async function runSuite(name: string, suite: VitestSuite): Promise<SuiteOutcome[]> {
  const missing = suite.withoutBrowser === undefined ? undefined : whyNoBrowser()
  if (suite.withoutBrowser === undefined || missing === undefined) return [await runVitest(name, suite, [])]
  console.error(missing)
  const noBrowser = { name: `${name}: no browser`, passed: 0, failed: 1, failures: [] }
  return suite.withoutBrowser.length === 0 ? [noBrowser] : [await runVitest(name, suite, suite.withoutBrowser), noBrowser]
}

async function runVitest(name: string, { config, timeoutMs }: VitestSuite, projects: readonly string[]): Promise<SuiteOutcome> {
  const report = `${reports}/${name}.json`
  rmSync(report, { force: true })
  const options = [
    '--reporter=default',
    '--reporter=json',
    `--outputFile.json=${report}`,
    ...projects.map((project) => `--project=${project}`),
  ]
  const { exitCode } = await runCommand(['vitest', 'run', '--config', config, ...options], { quiet: false, timeoutMs })
  return outcomeOfVitest(name, report, exitCode)
}

function whyNoBrowser(): string | undefined {
  try {
    chromiumPath()
    return undefined
  } catch (error) {
    return error instanceof Error ? error.message : String(error)
  }
}

const chosen = process.argv.slice(2)
const known = ['gates', ...vitestSuites.keys()]
if (chosen.length === 0 || chosen.some((name) => !known.includes(name))) {
  console.error(`usage: node tools/run-suites.ts SUITE…, with suites out of: ${known.join(', ')}`)
  process.exit(2)
}

mkdirSync(reports, { recursive: true })
const outcomes: SuiteOutcome[] = []
for (const name of chosen) {
  const suite = vitestSuites.get(name)
  outcomes.push(...(suite === undefined ? await runGates() : await runSuite(name, suite)))
}
const failures = outcomes.filter((outcome) => outcome.failed > 0)
// Again at the end, where whoever reads a long log begins.
for (const outcome of failures) for (const failure of outcome.failures) console.log(`${outcome.name}: ${failure}`)
if (failures.length > 0) console.log(`failed: ${failures.map(({ name, failed }) => `${name} (${failed})`).join(', ')}`)
const total = sumOfOutcomes(outcomes)
console.log(`${total.passed} passed, ${total.failed} failed`)
process.exitCode = total.failed > 0 ? 1 : 0
