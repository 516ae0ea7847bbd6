import { PATIENCE_MS } from '@kith/testkit/eventually'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'

const sourceOfCommand = fileURLToPath(new URL('../../apps/headless/src/kith.ts', import.meta.url))

/** One `kith` process. It can be killed at any moment and started again on the same data. */
export class KithProcess {
  readonly #command: string
  readonly #commandArguments: readonly string[]
  #child: ChildProcess | undefined
  #lines: string[] = []
  #errorLines: string[] = []
  readonly #lineListeners = new Set<() => void>()

  /** @param command a built one; the sources otherwise. */
  constructor(commandArguments: readonly string[], command = sourceOfCommand) {
    this.#command = command
    this.#commandArguments = commandArguments
  }

  get pid(): number {
    if (this.#child?.pid === undefined) throw new Error('The process was not started')
    return this.#child.pid
  }

  /** Starts the process and resolves with the first match of each pattern among the lines that it prints. */
  async start(...patterns: readonly RegExp[]): Promise<RegExpMatchArray[]> {
    const child = spawn(process.execPath, [this.#command, ...this.#commandArguments], { stdio: ['ignore', 'pipe', 'pipe'] })
    this.#child = child
    this.#lines = []
    this.#errorLines = []
    createInterface({ input: child.stdout }).on('line', (line) => {
      this.#lines.push(line)
      for (const listener of this.#lineListeners) listener()
    })
    createInterface({ input: child.stderr }).on('line', (line) => this.#errorLines.push(line))
    return Promise.all(patterns.map((pattern) => this.line(pattern)))
  }

  /** Resolves with the first printed line that matches, past or to come. */
  async line(pattern: RegExp): Promise<RegExpMatchArray> {
    const child = this.#child
    if (child === undefined) throw new Error('The process was not started')
    const { promise, resolve, reject } = Promise.withResolvers<RegExpMatchArray>()
    const look = (): void => {
      const match = this.#lines.map((line) => line.match(pattern)).find((found) => found !== null)
      if (match) resolve(match)
    }
    const fail = (why: string): void =>
      reject(new Error(`${why}; waited for ${pattern}\n${[...this.#lines, ...this.#errorLines.slice(-20)].join('\n')}`))
    const onExit = (code: number | null): void => fail(`kith ${this.#commandArguments[0]} exited with ${code}`)
    const timer = setTimeout(() => fail(`kith ${this.#commandArguments[0]} did not get there in ${PATIENCE_MS} ms`), PATIENCE_MS)
    this.#lineListeners.add(look)
    child.once('exit', onExit)
    look()
    try {
      return await promise
    } finally {
      clearTimeout(timer)
      this.#lineListeners.delete(look)
      child.off('exit', onExit)
    }
  }

  /** Ends the process with the signal and waits for its exit. Returns the exit code, or null when a signal ended it. */
  async end(signal: 'SIGKILL' | 'SIGTERM'): Promise<number | null> {
    const child = this.#child
    this.#child = undefined
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return child?.exitCode ?? null
    const exited = once(child, 'exit')
    child.kill(signal)
    await exited
    return child.exitCode
  }

  get running(): boolean {
    return this.#child !== undefined && this.#child.exitCode === null && this.#child.signalCode === null
  }

  /** What the process wrote to standard error since its last start. */
  get errorLines(): readonly string[] {
    return this.#errorLines
  }
}
