/**
 * Type-checks every environment: each tsconfig.json below the root names the globals that its files may use.
 * A source file that no environment covers is a failure too, because nobody would check it.
 */
import { execFile } from 'node:child_process'
import { globSync } from 'node:fs'
import { relative } from 'node:path'
import { promisify } from 'node:util'

const run = promisify(execFile)
const folders = '{packages,apps,e2e,bench,tools}'
const ignored = ['**/node_modules/**', '**/dist/**', '**/node_modules', '**/dist']
const outputBytesMax = 64 * 1024 * 1024

interface Outcome {
  readonly covered: readonly string[]
  readonly problems: string
}

/** Runs the compiler on one environment; its exit code says nothing more than its output does. */
async function check(project: string): Promise<Outcome> {
  const compile = async (...options: string[]): Promise<string> => {
    const child = run('tsc', ['-p', project, ...options], { maxBuffer: outputBytesMax })
    return child.then(
      ({ stdout }) => stdout,
      (error: { readonly stdout?: string; readonly message: string }) => error.stdout || error.message,
    )
  }
  const files = (await compile('--listFilesOnly')).split('\n').map((file) => relative('.', file))
  return {
    covered: files.filter((file) => file !== '' && !file.startsWith('..') && !file.includes('node_modules/')),
    problems: await compile(),
  }
}

const projects = globSync(`${folders}/**/tsconfig*.json`, { exclude: ignored }).toSorted()
const sources = globSync([`${folders}/**/*.{ts,tsx}`, '*.ts'], { exclude: ignored })
const covered = new Set<string>()
let failed = projects.length === 0
for (const project of projects) {
  const outcome = await check(project)
  for (const file of outcome.covered) covered.add(file)
  if (outcome.problems.trim() === '') continue
  failed = true
  console.error(`${project}\n${outcome.problems}`)
}
for (const source of sources.filter((file) => !covered.has(file))) {
  failed = true
  console.error(`${source}: no tsconfig.json covers this file`)
}
console.log(`${projects.length} environments, ${sources.length} files`)
process.exitCode = failed ? 1 : 0
