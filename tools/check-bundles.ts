/** Builds the page when a source is newer than the build, and holds its sizes against the budgets of .size-limit.mjs. */
import { resolve } from 'node:path'
import { buildPageIfNeeded } from '../apps/web/src/start/build-page.ts'
import { runCommand } from './run-command.ts'

await buildPageIfNeeded(resolve('.'), resolve('apps/web/dist'), (line) => console.log(line))
const { exitCode } = await runCommand(['size-limit'], { quiet: false, timeoutMs: 60_000 })
process.exitCode = exitCode ?? 1
