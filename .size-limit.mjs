import { existsSync, globSync, readFileSync, statSync } from 'node:fs'

const dist = 'apps/web/dist'
const assets = `${dist}/assets`
const page = existsSync(`${dist}/index.html`) ? readFileSync(`${dist}/index.html`, 'utf8') : ''
/** The scripts that the page names itself, and so loads before anything is shown. */
const first = [...page.matchAll(/(?:src|href)="\/(assets\/[^"]+\.js)"/g)].map(([, path]) => `${dist}/${path}`)
const worker = [`${assets}/homeserver-worker-*.js`, `${assets}/start-homeserver-*.js`]
const [largest] = globSync(`${assets}/*.js`, { exclude: worker }).toSorted((a, b) => statSync(b).size - statSync(a).size)

/** What people download, compressed as servers send it. A budget that is reached is a question, not a formality. */
export default [
  { name: 'first scripts of the page', path: first, limit: '190 kB' },
  { name: 'largest other script: the Matrix SDK', path: largest ?? `${assets}/*.js`, limit: '230 kB' },
  { name: 'worker: homeserver and libp2p', path: worker, limit: '335 kB' },
  { name: 'service worker', path: `${dist}/service-worker.js`, limit: '6 kB' },
  { name: 'all scripts', path: `${dist}/**/*.js`, limit: '950 kB' },
  { name: 'styles', path: `${assets}/*.css`, limit: '20 kB' },
  { name: "WebAssembly of the SDK's encryption", path: `${assets}/*crypto*.wasm`, limit: '2.3 MB' },
  { name: 'WebAssembly of the search index: SQLite', path: `${assets}/sqlite3-*.wasm`, limit: '420 kB' },
].map((budget) => ({ ...budget, gzip: true }))
