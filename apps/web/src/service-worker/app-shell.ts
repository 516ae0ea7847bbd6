/** Filled in by the build: the paths of the built page, and a name that changes with them. */
declare const __KITH_SHELL__: { readonly version: string; readonly paths: readonly string[] }

const CACHE_PREFIX = 'kith-shell-'
const CACHE_NAME = `${CACHE_PREFIX}${__KITH_SHELL__.version}`
const PAGE_PATH = '/'
/** Built files carry a hash of their content in their name. */
const HASHED_PREFIX = '/assets/'

let filling: Promise<void> | undefined

/** Stores what is missing of the built page, so that it opens offline. */
export async function fillShell(): Promise<void> {
  filling ??= storeMissing().finally(() => (filling = undefined))
  return filling
}

/** The former shell stays: tabs that are still open may load parts of it. */
export async function forgetOldShells(): Promise<void> {
  const others = (await caches.keys()).filter((name) => name.startsWith(CACHE_PREFIX) && name !== CACHE_NAME)
  await Promise.all(others.slice(0, -1).map((name) => caches.delete(name)))
}

/** Undefined for what only the network can answer. */
export function answerFromShell(request: Request, url: URL): Promise<Response> | undefined {
  if (request.method !== 'GET') return undefined
  if (request.mode === 'navigate') return fromNetwork(request, PAGE_PATH)
  if (url.pathname.startsWith(HASHED_PREFIX)) return fromCache(request)
  return __KITH_SHELL__.paths.includes(url.pathname) ? fromNetwork(request, url.pathname) : undefined
}

/** The network first, so that a reload shows the newest version. */
async function fromNetwork(request: Request, cachedPath: string): Promise<Response> {
  try {
    return await fetch(request)
  } catch (error) {
    const cached = await caches.match(cachedPath)
    if (cached === undefined) throw error
    return cached
  }
}

async function fromCache(request: Request): Promise<Response> {
  return (await caches.match(request.url)) ?? fetch(request)
}

async function storeMissing(): Promise<void> {
  const cache = await caches.open(CACHE_NAME)
  const stored = new Set((await cache.keys()).map(({ url }) => new URL(url).pathname))
  for (const path of __KITH_SHELL__.paths) {
    if (stored.has(path)) continue
    try {
      // The page itself must be that of this build, not what the HTTP cache has kept.
      await cache.add(path.startsWith(HASHED_PREFIX) ? path : new Request(path, { cache: 'reload' }))
    } catch {
      // Offline, no room, or a newer build is served: the next page load tries again.
      return
    }
  }
}
