import { spawnSync } from 'node:child_process'
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, dirname, join, resolve } from 'node:path'

const root = resolve(import.meta.dirname, '../..')
const leftOut = new Set(['node_modules', '.git', '.tmp', 'dist', 'test-results', 'coverage'])

export interface GateRun {
  readonly passed: boolean
  readonly output: string
}

/** What to change in the tree: a path with its new text, or with a function of the old text. */
export type Plant = Readonly<Record<string, string | ((text: string) => string)>>

/** A copy of the whole tree in which violations can be planted without touching the sources. */
export class PlantedTree implements Disposable {
  readonly #directory = mkdtempSync(join(tmpdir(), 'kith-gates-'))

  constructor() {
    cpSync(root, this.#directory, { recursive: true, filter: (source) => !leftOut.has(basename(source)) })
    linkModules(root, this.#directory)
    for (const group of ['packages', 'apps']) {
      for (const name of readdirSync(join(root, group))) {
        const nested = join(root, group, name, 'node_modules')
        if (existsSync(nested)) symlinkSync(nested, join(this.#directory, group, name, 'node_modules'))
      }
    }
  }

  /** Runs a gate on the tree as it is, with `plant` changed for the length of the run. */
  run(command: readonly string[], plant: Plant = {}): GateRun {
    const before = new Map<string, string | undefined>()
    for (const [path, change] of Object.entries(plant)) {
      const file = join(this.#directory, path)
      const text = existsSync(file) ? readFileSync(file, 'utf8') : undefined
      before.set(file, text)
      mkdirSync(dirname(file), { recursive: true })
      writeFileSync(file, typeof change === 'string' ? change : change(text ?? ''))
    }
    const [program = '', ...args] = command
    const PATH = `${join(root, 'node_modules/.bin')}:${process.env['PATH']}`
    const { status, stdout, stderr } = spawnSync(program, args, { cwd: this.#directory, encoding: 'utf8', env: { ...process.env, PATH } })
    for (const [file, text] of before) {
      if (text === undefined) rmSync(file)
      else writeFileSync(file, text)
    }
    return { passed: status === 0, output: `${stdout}\n${stderr}` }
  }

  [Symbol.dispose](): void {
    rmSync(this.#directory, { recursive: true, force: true })
  }
}

/** The installed packages by link, but the workspaces' own ones by a link into the copy. */
function linkModules(from: string, to: string): void {
  const target = join(to, 'node_modules')
  mkdirSync(join(target, '@kith'), { recursive: true })
  for (const name of readdirSync(join(from, 'node_modules'))) {
    if (name !== '@kith') symlinkSync(join(from, 'node_modules', name), join(target, name))
  }
  for (const folder of [
    'packages/matrix-protocol',
    'packages/homeserver',
    'packages/storage',
    'packages/p2p',
    'packages/testkit',
    'apps/headless',
  ]) {
    symlinkSync(join('../..', folder), join(target, '@kith', basename(folder)))
  }
}
