import type { gateCommands } from '../gate-commands.ts'

/** Files to write into a copy of the tree, and what the gate must then say in a line that names the first of them. */
export interface Violation {
  readonly what: string
  /** The new text of each file, or a function of its old text. */
  readonly files: Readonly<Record<string, string | ((text: string) => string)>>
  readonly says: RegExp
  /** What the line must name instead of the first file. */
  readonly names?: string
}

const protocol = 'packages/matrix-protocol/src'
const homeserver = 'packages/homeserver/src'
const storage = 'packages/storage/src'

/** One file with one violation. */
function plant(what: string, file: string, text: string, says: RegExp): Violation {
  return { what, files: { [file]: `${text}\n` }, says }
}

/** Two files of which the first imports the second, which is harmless. */
function plantImport(from: string, to: string, says: RegExp): Violation {
  const steps = from.slice(homeserver.length + 1).split('/').length - 1
  const target = `${'../'.repeat(steps)}${to.slice(homeserver.length + 1)}`
  const files = { [from]: `export type * from '${target}'\n`, [to]: 'export type Planted = 1\n' }
  return { what: `${from} → ${to}`, files, says }
}

const restrictedGlobals = {
  date: 'new Date()',
  'set-timeout': 'setTimeout(() => undefined, 1)',
  'set-interval': 'setInterval(() => undefined, 1)',
  fetch: "fetch('https://planted.example')",
  'indexed-db': 'indexedDB',
  crypto: 'crypto.subtle',
  performance: 'performance.now()',
  process: 'process.pid',
  'web-socket': "new WebSocket('wss://planted.example')",
}
const restrictedProperties = {
  random: 'Math.random()',
  'global-this': 'globalThis.setTimeout',
  'signal-timeout': 'AbortSignal.timeout(1)',
}

function plantUse([name, use]: readonly [string, string], says: RegExp): Violation {
  return plant(`in the homeserver: ${use}`, `${homeserver}/rooms/planted-${name}.ts`, `export const planted: unknown = ${use}`, says)
}

const aTest = (call: string): string => `import { test } from 'vitest'\n\n${call}('planted', () => undefined)`

const format = [plant('double quotes and a semicolon', `${protocol}/planted-format.ts`, 'export const planted = "x";', /planted-format/)]

const lint = [
  plant('a floating promise', `${protocol}/planted-promise.ts`, 'Promise.resolve(1)', /no-floating-promises/),
  plant('an explicit any', `${protocol}/planted-any.ts`, 'export const planted: any = 1', /no-explicit-any/),
  plant('an unsafe value', `${protocol}/planted-unsafe.ts`, "export const planted: string = JSON.parse('1')", /no-unsafe-assignment/),
  plant('a console', `${storage}/planted-console.ts`, "console.log('planted')", /no-console/),
  plant('a silenced type error', `${protocol}/planted-comment.ts`, '// @ts-ignore\nexport const planted: string = 1', /ban-ts-comment/),
  plant('a skipped test', `${storage}/planted-skipped.test.ts`, aTest('test.skip'), /no-disabled-tests/),
  plant('a lone test', `${storage}/planted-lone.test.ts`, aTest('test.only'), /no-focused-tests/),
  plant('work left open', `${protocol}/planted-open.ts`, `// ${['TO', 'DO'].join('')}: planted`, /no-warning-comments/),
  plant('a default export', `${protocol}/planted-default.ts`, 'export default 1', /no-default-export/),
  plant('a file name in camel case', `${storage}/plantedName.ts`, 'export const planted = 1', /filename-case/),
  plant('a file of more than 400 lines', `${protocol}/planted-lines.ts`, '// planted\n'.repeat(401), /max-lines/),
  plant(
    'a function of more than 60 lines',
    `${protocol}/planted-function.ts`,
    `export function planted(): void {\n${'  planted()\n'.repeat(61)}}`,
    /max-lines-per-function/,
  ),
  plant(
    'a switch that forgets a case',
    `${protocol}/planted-switch.ts`,
    "export function planted(kind: 'a' | 'b'): void {\n  switch (kind) {\n    case 'a':\n      break\n  }\n}",
    /switch-exhaustiveness-check/,
  ),
  plant(
    'a needless silencing',
    `${protocol}/planted-directive.ts`,
    '// oxlint-disable-next-line no-console\nexport const planted = 1',
    /[Uu]nused/,
  ),
  ...Object.entries(restrictedGlobals).map((use) => plantUse(use, /no-restricted-globals/)),
  ...Object.entries(restrictedProperties).map((use) => plantUse(use, /no-restricted-properties/)),
]

const types = [
  plant('a wrong type', `${protocol}/planted-type.ts`, 'export const planted: string = 1', /TS2322/),
  plant('an unchecked index', `${protocol}/planted-index.ts`, 'export const planted = (list: string[]): string => list[0]', /TS2322/),
  plant('the network in matrix-protocol', `${protocol}/planted-fetch.ts`, "export const planted = fetch('x')", /'fetch'/),
  plant('an enum, which type stripping cannot run', `${protocol}/planted-enum.ts`, 'export enum Planted {\n  one,\n}', /TS1294/),
  plant('Node in the homeserver', `${homeserver}/planted-process.ts`, 'export const planted = process.pid', /'process'/),
  plant('the page in the homeserver', `${homeserver}/planted-document.ts`, 'export const planted = document.title', /'document'/),
  plant('the page in the headless app', 'apps/headless/src/planted-page.ts', 'export const planted = document.title', /'document'/),
  plant('Node in the window', 'apps/web/src/window/planted-node.ts', 'export const planted = process.pid', /'process'/),
  plant(
    'the page in the worker',
    'apps/web/src/homeserver-worker/planted-worker.ts',
    'export const planted = document.title',
    /'document'/,
  ),
  plant(
    'the page in the service worker',
    'apps/web/src/service-worker/planted-sw.ts',
    'export const planted = document.title',
    /'document'/,
  ),
  plant('a file that no environment covers', 'apps/planted/src/planted-nowhere.ts', 'export const planted = 1', /no tsconfig\.json covers/),
]

const boundaries = [
  {
    what: 'a cycle',
    files: {
      [`${homeserver}/planted-one.ts`]: "import { two } from './planted-two.ts'\nexport const one = (): number => two()\n",
      [`${homeserver}/planted-two.ts`]: "import { one } from './planted-one.ts'\nexport const two = (): number => one()\n",
    },
    says: /no-cycles/,
  },
  plant('an import of nothing', `${protocol}/planted-nothing.ts`, "export * from './planted-nowhere.ts'", /import-resolves/),
  plant('matrix-protocol → homeserver', `${protocol}/planted-up.ts`, "export type * from '@kith/homeserver/ports'", /not-in-allowed/),
  plant('matrix-protocol → node:fs', `${protocol}/planted-fs.ts`, "export { readFileSync } from 'node:fs'", /not-in-allowed/),
  plant('homeserver → node:fs', `${homeserver}/planted-fs.ts`, "export { readFileSync } from 'node:fs'", /homeserver-knows-no-environment/),
  plantImport(`${homeserver}/sync/planted-g.ts`, `${homeserver}/client-api/planted-g.ts`, /sync-not-federation/),
  {
    what: 'the browser network → node:net, through another module',
    files: {
      'packages/p2p/src/browser-planted.ts': "export * from './planted-net.ts'\n",
      'packages/p2p/src/planted-net.ts': "export { connect } from 'node:net'\n",
    },
    says: /browser-reaches-no-node/,
  },
  plant('homeserver → storage', `${homeserver}/planted-storage.ts`, "export * from '@kith/storage/memory'", /homeserver-not-engines/),
  plant('homeserver → libp2p', `${homeserver}/planted-libp2p.ts`, "export { createLibp2p } from 'libp2p'", /not-in-allowed/),
  plant(
    'the testkit in a source',
    `${storage}/planted-testkit.ts`,
    "export type * from '@kith/testkit/storage-cases'",
    /testkit-only-in-tests/,
  ),
  plant('storage → the inside of homeserver', `${storage}/planted-inside.ts`, "export * from '@kith/homeserver'", /not-in-allowed/),
  plant('a package by path', `${storage}/planted-path.ts`, "export type * from '../../homeserver/src/ports/index.ts'", /packages-by-name/),
  plant('an undeclared package', 'packages/p2p/src/planted-undeclared.ts', "export * from 'dexie'", /dependency-is-declared/),
  plant(
    'rooms → MatrixError',
    `${homeserver}/rooms/planted-error.ts`,
    "export { MatrixError } from '../matrix-error.ts'",
    /matrix-errors-at-edges/,
  ),
  plant(
    'an import behind `await using`',
    'apps/headless/src/planted-using.ts',
    "await using planted = await import('@kith/testkit/storage-cases')\nexport { planted }",
    /testkit-only-in-tests/,
  ),
  plant(
    'a request that nobody judges',
    'apps/headless/src/outgoing/planted-request.ts',
    "export { request } from 'undici'",
    /outgoing-requests-are-guarded/,
  ),
  plant(
    'a node that builds itself',
    'apps/headless/src/planted-build.ts',
    "export { publishBuild } from './build/publish-build.ts'",
    /a-node-builds-nothing/,
  ),
  plant(
    'the inside of another app',
    'apps/web/src/start/planted-app.ts',
    "export { createStderrLog } from '../../../headless/src/node-ports.ts'",
    /not-in-allowed/,
  ),
  plant(
    'an app → the gates',
    'apps/headless/src/build/planted-tools.ts',
    "export type * from '../../../../tools/run-command.ts'",
    /not-in-allowed/,
  ),
  plantImport(`${homeserver}/rooms/planted-a.ts`, `${homeserver}/federation/planted-a.ts`, /rooms-know-no-network/),
  plantImport(`${homeserver}/rooms/planted-b.ts`, `${homeserver}/sync/planted-b.ts`, /rooms-know-no-network/),
  plantImport(`${homeserver}/rooms/planted-c.ts`, `${homeserver}/client-api/planted-c.ts`, /rooms-know-no-network/),
  plantImport(`${homeserver}/media/planted-h.ts`, `${homeserver}/accounts/planted-h.ts`, /not-in-allowed/),
  plant(
    'a Matrix error in media',
    `${homeserver}/media/planted-error.ts`,
    "export { MatrixError } from '../matrix-error.ts'",
    /matrix-errors-at-edges/,
  ),
  plantImport(`${homeserver}/app-services/planted-m.ts`, `${homeserver}/federation/planted-m.ts`, /not-in-allowed/),
  plant(
    'a Matrix error in application services',
    `${homeserver}/app-services/planted-error.ts`,
    "export { MatrixError } from '../matrix-error.ts'",
    /matrix-errors-at-edges/,
  ),
  plantImport(`${homeserver}/search/planted-j.ts`, `${homeserver}/client-api/planted-j.ts`, /not-in-allowed/),
  plantImport(`${homeserver}/conversation/planted-k.ts`, `${homeserver}/federation/planted-k.ts`, /not-in-allowed/),
  plantImport(`${homeserver}/sync/planted-l.ts`, `${homeserver}/conversation/planted-l.ts`, /not-in-allowed/),
  plantImport(`${homeserver}/directory/planted-i.ts`, `${homeserver}/federation/planted-i.ts`, /not-in-allowed/),
  plantImport(`${homeserver}/sync/planted-d.ts`, `${homeserver}/federation/planted-d.ts`, /sync-not-federation/),
  plantImport(`${homeserver}/timeline/planted-e.ts`, `${homeserver}/rooms/planted-e.ts`, /timeline-is-below-everything/),
  plantImport(`${homeserver}/federation/ingest/planted-f.ts`, `${homeserver}/federation/serve/planted-f.ts`, /ingest-not-serve/),
]

const unused: readonly Violation[] = [
  plant('a file that nothing imports', `${protocol}/planted-alone.ts`, 'export const planted = 1', /planted-alone/),
  {
    what: 'an export that nothing imports',
    files: {
      [`${homeserver}/matrix-error.ts`]: (text) =>
        `${text}\nexport const plantedExport = 1\nexport { default as plantedDexie } from 'dexie'\n`,
    },
    names: 'matrix-error.ts',
    says: /plantedExport/,
  },
  {
    what: 'a dependency that nothing imports',
    files: { 'packages/storage/package.json': (text) => text.replace('"dexie"', '"valibot": "1.5.0",\n    "dexie"') },
    says: /valibot/,
  },
]

export const violations: Readonly<Record<keyof typeof gateCommands, readonly Violation[]>> = { format, lint, types, boundaries, unused }
