import { randomBytes } from 'node:crypto'
import { afterAll, expect, test } from 'vitest'
import { PlantedTree } from './planted-tree.ts'

const tree = new PlantedTree()
afterAll(() => tree[Symbol.dispose]())

const dist = 'apps/web/dist'
const small = {
  [`${dist}/index.html`]: '<script type="module" src="/assets/index-1.js"></script>',
  [`${dist}/service-worker.js`]: '0',
  [`${dist}/assets/index-1.js`]: '0',
  [`${dist}/assets/largest-1.js`]: '00',
  [`${dist}/assets/homeserver-worker-1.js`]: '0',
  [`${dist}/assets/start-homeserver-1.js`]: '0',
  [`${dist}/assets/index-1.css`]: '0',
  [`${dist}/assets/crypto-1.wasm`]: '0',
  [`${dist}/assets/sqlite3-1.wasm`]: '0',
}

/** Text that hardly compresses. */
const bloat = (kilobytes: number): string => randomBytes(kilobytes * 1000).toString('base64')

function budgetsExceeded(plant: Record<string, string>): string[] {
  const { passed, output } = tree.run(['size-limit', '--json'], { ...small, ...plant })
  const budgets = JSON.parse(output) as readonly { readonly name: string; readonly passed: boolean }[]
  const exceeded = budgets.filter((budget) => !budget.passed).map(({ name }) => name)
  expect(passed).toBe(exceeded.length === 0)
  return exceeded
}

test('small bundles keep every budget', () => {
  expect(budgetsExceeded({})).toEqual([])
})

test.each([
  ['assets/index-1.js', 200, 'first scripts of the page'],
  ['assets/largest-1.js', 240, 'largest other script: the Matrix SDK'],
  ['assets/homeserver-worker-1.js', 350, 'worker: homeserver and libp2p'],
  ['assets/start-homeserver-1.js', 350, 'worker: homeserver and libp2p'],
  ['service-worker.js', 10, 'service worker'],
  ['assets/another-1.js', 1000, 'all scripts'],
  ['assets/another-1.css', 30, 'styles'],
  ['assets/crypto-1.wasm', 2400, "WebAssembly of the SDK's encryption"],
  ['assets/sqlite3-1.wasm', 450, 'WebAssembly of the search index: SQLite'],
])('a large %s exceeds its budget', (file, kilobytes, budget) => {
  expect(budgetsExceeded({ [`${dist}/${file}`]: bloat(kilobytes) })).toContain(budget)
})

test('a build without one of the parts fails', () => {
  const { [`${dist}/service-worker.js`]: _, ...others } = small
  expect(tree.run(['size-limit'], others).passed).toBe(false)
})
