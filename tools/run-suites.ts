/**
 * `node tools/run-suites.ts SUITE…` runs the named suites one after the other, goes on after a failure, and ends with one line
 * `N passed, N failed` over all of them. Each gate counts as one, each test as one.
 */
import { spawn } from 'node:child_process'
import { mkdirSync, rmSync } from 'node:fs'
import { gateCommands } from './gate-commands.ts'
import { outcomeOfVitest, sumOfOutcomes, type SuiteOutcome } from './suite-outcome.ts'

const bundleSizes = ['node', 'tools/check-bundles.ts'] as const

const vitestSuites = new Map([
  ['unit', 'vitest.config.ts'],
  ['conformance', 'vitest.conformance.config.ts'],
  ['e2e', 'vitest.e2e.config.ts'],
])

const reports = '.tmp/reports'
const suiteNames = ['gates', ...vitestSuites.keys()]

/** Runs a program of the workspace; with `quiet` its output is kept back and returned. */
async function run(command: readonly string[], quiet: boolean): Promise<{ readonly exitCode: number | null; readonly output: string }> {
  const [program = '', ...args] = command
  const child = spawn(program, args, { stdio: ['ignore', quiet ? 'pipe' : 'inherit', quiet ? 'pipe' : 'inherit'] })
  const chunks: Buffer[] = []
  child.stdout?.on('data', (chunk: Buffer) => chunks.push(chunk))
  child.stderr?.on('data', (chunk: Buffer) => chunks.push(chunk))
  const { promise, resolve } = Promise.withResolvers<number | null>()
  child.once('error', (error) => {
    chunks.push(Buffer.from(`${program} did not start: ${error.message}\n`))
    resolve(null)
  })
  child.once('close', resolve)
  return { exitCode: await promise, output: Buffer.concat(chunks).toString() }
}

async function runGates(): Promise<SuiteOutcome[]> {
  const outcomes: SuiteOutcome[] = []
  for (const [name, command] of Object.entries({ ...gateCommands, 'bundle sizes': bundleSizes })) {
    const startedAt = performance.now()
    const { exitCode, output } = await run(command, true)
    const seconds = ((performance.now() - startedAt) / 1000).toFixed(1)
    const passed = exitCode === 0
    console.log(`${passed ? 'ok    ' : 'FAILED'} ${name} (${seconds} s)`)
    if (!passed) console.log(`${output.trimEnd()}\n`)
    outcomes.push({ name, passed: passed ? 1 : 0, failed: passed ? 0 : 1 })
  }
  return outcomes
}

async function runVitest(name: string, config: string): Promise<SuiteOutcome> {
  const report = `${reports}/${name}.json`
  rmSync(report, { force: true })
  const { exitCode } = await run(
    ['vitest', 'run', '--config', config, '--reporter=default', '--reporter=json', `--outputFile.json=${report}`],
    false,
  )
  return outcomeOfVitest(name, report, exitCode)
}

const chosen = process.argv.slice(2)
const unknown = chosen.filter((name) => !suiteNames.includes(name))
if (chosen.length === 0 || unknown.length > 0) {
  console.error(`usage: node tools/run-suites.ts SUITE…, with suites out of: ${suiteNames.join(', ')}`)
  process.exit(2)
}

mkdirSync(reports, { recursive: true })
const outcomes: SuiteOutcome[] = []
for (const name of chosen) {
  const config = vitestSuites.get(name)
  if (config === undefined) outcomes.push(...(await runGates()))
  else outcomes.push(await runVitest(name, config))
}
const failures = outcomes.filter((outcome) => outcome.failed > 0)
if (failures.length > 0) console.log(`failed: ${failures.map(({ name, failed }) => `${name} (${failed})`).join(', ')}`)
const total = sumOfOutcomes(outcomes)
console.log(`${total.passed} passed, ${total.failed} failed`)
process.exitCode = total.failed > 0 ? 1 : 0
