import { fetchFromNode } from '../node-port/fetch-from-node.ts'
import { toPlainRequest } from '../node-port/plain-http.ts'
import { NodeLeadership } from './node-leadership.ts'
import type { NodeRole, NodeStatus } from './node-status.ts'
import type { Observable } from './observable.ts'
import { watchStoragePersistence } from './storage-persistence.ts'

export type { NodeRole, NodeStatus, StartStep } from './node-status.ts'

export interface NodeAccess {
  /**
   * Asks the homeserver. Takes URLs of any origin: only path and query matter, `location.origin` is the base URL to use.
   * Waits while the node starts or moves to another tab. Repeats requests that may be repeated (all but some POSTs) when their
   * connection is lost; rejects with a TypeError for the others, as a browser's fetch does when the network fails.
   */
  readonly fetch: typeof globalThis.fetch
  readonly status: Observable<NodeStatus>
  readonly role: Observable<NodeRole>
  /** Whether the browser promised not to evict the data; undefined until it has answered. */
  readonly storagePersisted: Observable<boolean | undefined>
  /** Asks the browser again for persistent storage; best called from a click. */
  readonly requestPersistence: () => Promise<boolean>
  /** Starts over after `failed`. */
  readonly retry: () => void
}

/** One for each page. Resolves at once: the node's way up is told by `status`. */
export async function openNodeAccess(): Promise<NodeAccess> {
  const persistence = watchStoragePersistence()
  const leadership = new NodeLeadership()
  leadership.begin()
  return {
    fetch: async (input, init) => {
      const request = new Request(input, init)
      return fetchFromNode(await toPlainRequest(request), (signal) => leadership.connection.ready(signal), request.signal)
    },
    status: leadership.status,
    role: leadership.role,
    storagePersisted: persistence.granted,
    requestPersistence: persistence.request,
    retry: () => leadership.retry(),
  }
}
