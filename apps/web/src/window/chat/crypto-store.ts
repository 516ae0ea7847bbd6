import { wait } from './long-poll.ts'

/**
 * Resolves true once nobody in this browser has the databases open any more, false when the signal aborts first.
 *
 * Closing the SDK's crypto is not awaitable, and an open connection in the old tab would let two clients write one store.
 * IndexedDB itself knows: an upgrade starts only when the last connection is closed. It is abandoned as soon as it would
 * start, which leaves the database as it was.
 */
export async function databasesClosed(names: readonly string[], signal: AbortSignal): Promise<boolean> {
  const versions = new Map((await indexedDB.databases()).map(({ name, version }) => [name, version]))
  const closed = names.map((name) => {
    const version = versions.get(name)
    return version === undefined ? Promise.resolve() : databaseClosed(name, version)
  })
  const aborted = new AbortController()
  const outcome = await Promise.race([
    Promise.all(closed).then(() => true),
    wait(2 ** 31 - 1, AbortSignal.any([signal, aborted.signal])).then(() => false),
  ])
  aborted.abort()
  return outcome
}

function databaseClosed(name: string, version: number): Promise<void> {
  return new Promise((resolve) => {
    const request = indexedDB.open(name, version + 1)
    request.addEventListener('upgradeneeded', () => request.transaction?.abort())
    request.addEventListener('error', (event) => {
      event.preventDefault()
      resolve()
    })
    // Never expected, for the upgrade is always abandoned.
    request.addEventListener('success', () => {
      request.result.close()
      resolve()
    })
  })
}
