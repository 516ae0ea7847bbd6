/**
 * `node tools/run-suites.ts SUITE…` runs the named suites one after the other, goes on after a failure, and ends with one line
 * `N passed, N failed` over all of them. Each gate counts as one, each test as one.
 */
import { mkdirSync, rmSync } from 'node:fs'
import { gateCommands } from './gate-commands.ts'
import { runCommand } from './run-command.ts'
import { outcomeOfVitest, sumOfOutcomes, type SuiteOutcome } from './suite-outcome.ts'

const reports = '.tmp/reports'
const minute = 60_000
const gateTimeoutMs = 3 * minute

const vitestSuites = new Map([
  ['unit', { config: 'vitest.config.ts', timeoutMs: 8 * minute }],
  ['conformance', { config: 'vitest.conformance.config.ts', timeoutMs: 4 * minute }],
  ['e2e', { config: 'vitest.e2e.config.ts', timeoutMs: 12 * minute }],
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
    outcomes.push({ name, passed: passed ? 1 : 0, failed: passed ? 0 : 1 })
  }
  return outcomes
}

async function runVitest(name: string, config: string, timeoutMs: number): Promise<SuiteOutcome> {
  const report = `${reports}/${name}.json`
  rmSync(report, { force: true })
  const reporters = ['--reporter=default', '--reporter=json', `--outputFile.json=${report}`]
  const { exitCode } = await runCommand(['vitest', 'run', '--config', config, ...reporters], { quiet: false, timeoutMs })
  return outcomeOfVitest(name, report, exitCode)
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
  if (suite === undefined) outcomes.push(...(await runGates()))
  else outcomes.push(await runVitest(name, suite.config, suite.timeoutMs))
}
const failures = outcomes.filter((outcome) => outcome.failed > 0)
if (failures.length > 0) console.log(`failed: ${failures.map(({ name, failed }) => `${name} (${failed})`).join(', ')}`)
const total = sumOfOutcomes(outcomes)
console.log(`${total.passed} passed, ${total.failed} failed`)
process.exitCode = total.failed > 0 ? 1 : 0
