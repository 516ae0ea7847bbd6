import { buildCommandIfNeeded } from './build-command.ts'

await buildCommandIfNeeded((line) => process.stderr.write(`${line}\n`))
