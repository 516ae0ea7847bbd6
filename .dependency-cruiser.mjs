/**
 * Who may import whom. An import that no `allowed` rule names is refused; the `forbidden` rules say why for those that matter most.
 * Paths are relative to the root of the tree. Packages import each other by name, which resolves to these paths.
 */

const test = '\\.test\\.tsx?$|\\.test-support\\.ts$|/browser-tests/'
const homeserver = 'packages/homeserver/src'
const npm = (...names) => `(^|/)node_modules/(${names.join('|')})(/|$)`

/** What each part of the homeserver may import, besides itself, the ports, the limits and matrix-protocol. */
const homeserverParts = {
  timeline: [],
  rooms: ['timeline'],
  accounts: ['timeline'],
  keys: ['timeline', 'rooms', 'accounts'],
  ephemeral: ['timeline', 'rooms'],
  directory: ['timeline', 'rooms'],
  push: ['timeline', 'rooms', 'accounts', 'ephemeral'],
  sync: ['timeline', 'rooms', 'accounts', 'keys', 'ephemeral', 'push'],
  conversation: ['timeline', 'rooms', 'accounts', 'sync'],
  search: ['timeline', 'rooms', 'accounts', 'sync'],
  media: [],
  'app-services': ['timeline', 'rooms', 'accounts', 'keys', 'ephemeral', 'directory', 'sync'],
  'client-api': [
    'timeline',
    'rooms',
    'sync',
    'accounts',
    'keys',
    'ephemeral',
    'directory',
    'push',
    'media',
    'conversation',
    'search',
    'app-services',
  ],
  relay: ['timeline', 'rooms', 'federation'],
  federation: ['timeline', 'rooms', 'accounts', 'keys', 'ephemeral', 'relay', 'directory', 'media'],
}
const everyPart = Object.keys(homeserverParts)
const partsExcept = (...parts) => everyPart.filter((part) => !parts.includes(part)).join('|')

const allowed = [
  // Pure: no IO, no clock, no randomness, so nothing but arithmetic libraries.
  { from: { path: '^packages/matrix-protocol/src', pathNot: test }, to: { path: '^packages/matrix-protocol/src' } },
  { from: { path: '^packages/matrix-protocol/src', pathNot: test }, to: { path: npm('@noble/curves', '@noble/hashes', 'multiformats') } },

  // The homeserver sees the world only through its ports.
  { from: { path: `^${homeserver}/`, pathNot: test }, to: { path: '^packages/matrix-protocol/src/index\\.ts$' } },
  { from: { path: `^${homeserver}/`, pathNot: test }, to: { path: npm('@noble/curves', '@noble/hashes', 'valibot') } },
  { from: { path: `^${homeserver}/ports/`, pathNot: test }, to: { path: `^${homeserver}/ports/` } },
  {
    from: { path: `^${homeserver}/(${everyPart.join('|')})/`, pathNot: test },
    to: {
      path: `^${homeserver}/(ports/|limits\\.ts$|matrix-error\\.ts$|(every-entry|growing-wait|keyed-queue|property-path|wait-bounded|watched-number)\\.ts$)`,
    },
  },
  ...Object.entries(homeserverParts).map(([part, others]) => ({
    from: { path: `^${homeserver}/${part}/`, pathNot: test },
    to: { path: `^${homeserver}/(${[part, ...others].join('|')})/` },
  })),
  // What the client API needs of the other servers is its own port, which federation fills.
  {
    from: { path: `^${homeserver}/(federation|relay)/`, pathNot: test },
    to: { path: `^${homeserver}/client-api/federation-access\\.ts$` },
  },
  // The files at the top of src put the parts together.
  { from: { path: `^${homeserver}/[^/]+\\.ts$`, pathNot: test }, to: { path: `^${homeserver}/` } },

  // Engines of the ports.
  { from: { path: '^packages/storage/src', pathNot: test }, to: { path: '^packages/storage/src' } },
  { from: { path: '^packages/p2p/src', pathNot: test }, to: { path: '^packages/p2p/src' } },
  {
    from: { path: '^packages/(storage|p2p)/src', pathNot: test },
    to: { path: `^(${homeserver}/ports/|packages/matrix-protocol/src/index\\.ts$)` },
  },
  { from: { path: '^packages/storage/src', pathNot: test }, to: { path: npm('dexie', '@sqlite.org/sqlite-wasm') } },
  { from: { path: '^packages/p2p/src', pathNot: test }, to: { dependencyTypes: ['npm', 'npm-optional'] } },
  { from: { path: '^packages/(storage|p2p)/src', pathNot: test }, to: { dependencyTypes: ['core'] } },

  { from: { path: '^packages/testkit/src' }, to: { path: '^packages/' } },
  { from: { path: '^packages/testkit/src' }, to: { dependencyTypes: ['npm', 'npm-dev', 'npm-no-pkg', 'core'] } },

  // Apps and whatever runs them.
  { from: { path: '^apps/([^/]+)/' }, to: { path: '^(apps/$1/|packages/(matrix-protocol|homeserver|storage|p2p)/src)' } },
  { from: { path: '^apps/web/src/start/' }, to: { path: '^apps/headless/src/index\\.ts$' } },
  { from: { path: '^apps/(web/src/start|headless/src/build)/' }, to: { path: '^tools/is-outdated\\.ts$' } },
  { from: { path: '^apps/web/src/(start|build)/|^apps/headless/' }, to: { dependencyTypes: ['core', 'npm', 'npm-dev', 'npm-no-pkg'] } },
  { from: { path: '^apps/web/src/' }, to: { dependencyTypes: ['npm'] } },
  { from: { path: '\\.config\\.ts$' }, to: { dependencyTypes: ['core', 'npm', 'npm-dev', 'npm-no-pkg'] } },
  { from: { path: '\\.config\\.ts$' }, to: { path: '^(apps|tools)/' } },

  { from: { path: `^(e2e|bench|tools)/|${test}` }, to: { path: '^(packages|apps|e2e|bench|tools)/' } },
  { from: { path: `^(e2e|bench|tools)/|${test}` }, to: { dependencyTypes: ['npm', 'npm-dev', 'npm-no-pkg', 'core'] } },
]

/** The files of homeserver/src whose imports these rules judge. */
const part = (names) => ({ path: `^${homeserver}/(${names})/`, pathNot: test })

export default {
  forbidden: [
    {
      name: 'no-cycles',
      comment: 'Modules that need each other are one module, or the wiring is the wrong way round.',
      severity: 'error',
      from: {},
      to: { circular: true, viaOnly: { dependencyTypesNot: ['type-only'] } },
    },
    {
      name: 'import-resolves',
      comment: 'An import that resolves to nothing is not checked by any rule.',
      severity: 'error',
      from: {},
      to: { couldNotResolve: true },
    },
    {
      name: 'packages-by-name',
      comment: 'Another package is imported by its name, so that its exports say what is public.',
      severity: 'error',
      from: { path: '^(packages|apps)/([^/]+)/' },
      to: { path: '^packages/([^/]+)/', pathNot: '^$1/$2/', dependencyTypes: ['local'] },
    },
    {
      name: 'testkit-only-in-tests',
      comment: 'The testkit is never part of what runs at a person.',
      severity: 'error',
      from: { path: '^(packages|apps)/[^/]+/src', pathNot: `${test}|^packages/testkit/` },
      to: { path: '^packages/testkit/' },
    },
    {
      name: 'tests-are-leaves',
      comment: 'Shared test code belongs in the testkit.',
      severity: 'error',
      from: {},
      to: { path: '\\.test\\.tsx?$' },
    },
    {
      name: 'protocol-is-pure',
      comment: 'matrix-protocol knows the rules of Matrix and nothing of the world.',
      severity: 'error',
      from: { path: '^packages/matrix-protocol/src', pathNot: test },
      to: { path: '^(packages/(?!matrix-protocol)|apps/)' },
    },
    {
      name: 'homeserver-knows-no-environment',
      comment: 'The homeserver runs in browsers, on the desktop and on servers; the world comes in through its ports.',
      severity: 'error',
      from: { path: `^${homeserver}/`, pathNot: test },
      to: { dependencyTypes: ['core'] },
    },
    {
      name: 'browser-reaches-no-node',
      comment: 'What a page or its workers load cannot import modules of Node, not even through others.',
      severity: 'error',
      from: {
        path: '^(packages/p2p/src/(browser|rtc)|packages/storage/src/(dexie|memory|search/)|apps/web/src/(window|homeserver-worker|service-worker)/)',
        pathNot: test,
      },
      to: {
        reachable: true,
        path: '^(node:)?(fs|path|os|net|dgram|crypto|http|https|http2|tls|child_process|worker_threads|sqlite|process)(/|$)',
      },
    },
    {
      name: 'homeserver-not-engines',
      comment: 'Engines implement the ports; the homeserver must not know which engine it has.',
      severity: 'error',
      from: { path: `^${homeserver}/`, pathNot: test },
      to: { path: '^(packages/(storage|p2p|testkit)|apps)/' },
    },
    {
      name: 'rooms-know-no-network',
      comment: 'Rooms return outcomes; federation, sync and the client API act on them.',
      severity: 'error',
      from: part('rooms'),
      to: { path: `^${homeserver}/(${partsExcept('rooms', 'timeline')})/` },
    },
    {
      name: 'timeline-is-below-everything',
      comment: 'The one ordered stream knows positions and rows, not what they mean.',
      severity: 'error',
      from: part('timeline'),
      to: { path: `^${homeserver}/(${partsExcept('timeline')})/` },
    },
    {
      name: 'sync-not-federation',
      comment: 'Sync reads what is committed here; what other servers know comes through ingest first.',
      severity: 'error',
      from: part('sync'),
      to: { path: `^${homeserver}/(federation|relay|client-api)/` },
    },
    {
      name: 'ingest-not-serve',
      comment: 'Serving calls ingest, never the other way.',
      severity: 'error',
      from: { path: `^${homeserver}/federation/(ingest|fetch|deliver)`, pathNot: test },
      to: { path: `^${homeserver}/federation/serve` },
    },
    {
      name: 'matrix-errors-at-edges',
      comment: 'Inside, expected outcomes are unions; a MatrixError is made where a request is answered.',
      severity: 'error',
      from: part('timeline|rooms|sync|conversation|search|app-services|accounts|keys|ephemeral|directory|push|media'),
      to: { path: `^${homeserver}/matrix-error\\.ts$` },
    },
    {
      name: 'outgoing-requests-are-guarded',
      comment: 'What users name must not reach the own machine and network: requests go through the one place that judges addresses.',
      severity: 'error',
      from: { path: '^apps/headless/src', pathNot: `${test}|^apps/headless/src/outgoing/guarded-agent\\.ts$` },
      to: { path: npm('undici'), dependencyTypesNot: ['type-only'] },
    },
    {
      name: 'a-node-builds-nothing',
      comment: 'What bundles the command would otherwise be bundled with it, and the bundler with that.',
      severity: 'error',
      from: { path: '^apps/headless/src/', pathNot: `${test}|^apps/headless/src/build/` },
      to: { path: '^apps/headless/src/build/' },
    },
    {
      name: 'dependency-is-declared',
      comment: 'A package that is not in the package.json of the workspace may vanish or change at any install.',
      severity: 'error',
      from: { path: '^(packages/(?!testkit)|apps/)[^/]+/src', pathNot: `${test}|^apps/(web/src/(start|build)|headless/src/build)/` },
      to: { dependencyTypes: ['npm-no-pkg', 'npm-unknown'], pathNot: '(^|/)node_modules/@types/' },
    },
    {
      name: 'not-deprecated',
      comment: 'A deprecated package gets no mending.',
      severity: 'error',
      from: {},
      to: { dependencyTypes: ['deprecated'] },
    },
  ],
  allowed,
  allowedSeverity: 'error',
  options: {
    // With TypeScript 7 the default parser reads nothing and reports success.
    parser: 'swc',
    tsPreCompilationDeps: 'specify',
    combinedDependencies: false,
    doNotFollow: { path: '(^|/)node_modules/' },
    exclude: { path: '^(apps|packages)/[^/]+/dist/' },
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      conditionNames: ['import', 'node', 'default', 'types'],
      extensions: ['.ts', '.tsx', '.mjs', '.js', '.json', '.d.ts'],
      mainFields: ['module', 'main', 'types'],
    },
  },
}
