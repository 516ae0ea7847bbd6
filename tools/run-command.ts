import { spawn } from 'node:child_process'

export interface CommandOutcome {
  /** `null` when the command did not start, was ended by a signal, or took too long. */
  readonly exitCode: number | null
  /** What it printed, when it was run quietly. */
  readonly output: string
}

interface CommandOptions {
  /** Keeps the output back and returns it, where otherwise it goes straight to the terminal. */
  readonly quiet: boolean
  readonly timeoutMs: number
}

/** Runs a command in a process group of its own, so that when it takes too long everything that it started ends with it. */
export async function runCommand(command: readonly string[], options: CommandOptions): Promise<CommandOutcome> {
  const [program = '', ...args] = command
  const output = options.quiet ? 'pipe' : 'inherit'
  const child = spawn(program, args, { stdio: ['ignore', output, output], detached: true })
  const chunks: Buffer[] = []
  const say = (line: string): void => {
    if (options.quiet) chunks.push(Buffer.from(`${line}\n`))
    else console.error(line)
  }
  const endGroup = (): void => {
    if (child.pid !== undefined) process.kill(-child.pid, 'SIGKILL')
  }
  const onInterrupt = (): void => {
    endGroup()
    process.exit(130)
  }
  process.once('SIGINT', onInterrupt).once('SIGTERM', onInterrupt)
  const timer = setTimeout(() => {
    say(`${command.join(' ')}: ended after ${options.timeoutMs / 1000} s`)
    endGroup()
  }, options.timeoutMs)

  const { promise, resolve } = Promise.withResolvers<number | null>()
  child.stdout?.on('data', (chunk: Buffer) => chunks.push(chunk))
  child.stderr?.on('data', (chunk: Buffer) => chunks.push(chunk))
  child.once('error', (error) => {
    say(`${program} did not start: ${error.message}`)
    resolve(null)
  })
  child.once('close', resolve)
  const exitCode = await promise
  clearTimeout(timer)
  process.off('SIGINT', onInterrupt).off('SIGTERM', onInterrupt)
  return { exitCode, output: Buffer.concat(chunks).toString() }
}
