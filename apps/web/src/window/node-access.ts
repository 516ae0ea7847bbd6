import type { Observable } from './observable.ts'

/** `leading`: the node runs in a worker of this tab. `following`: it runs in another tab of this browser. */
export type NodeRole = 'leading' | 'following'

/** What the node is doing on its way up, in this order. */
export type StartStep = 'waiting-for-other-tab' | 'loading' | 'opening-identity' | 'opening-storage' | 'starting-network' | 'starting-homeserver'

export type NodeStatus =
  | { readonly kind: 'starting'; readonly step: StartStep }
  | { readonly kind: 'ready'; readonly serverName: string }
  /** The tab that ran the node went away; requests wait meanwhile and are carried over. */
  | { readonly kind: 'taking-over' }
  /** Both are sentences for people. `retry` of NodeAccess starts over. */
  | { readonly kind: 'failed'; readonly message: string; readonly whatToDo: string }

export interface NodeAccess {
  /**
   * Asks the homeserver. Takes URLs of any origin: only path and query matter, `location.origin` is the base URL to use.
   * Waits while the node starts or moves to another tab. Repeats requests that may be repeated (all but most POSTs) when their
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
export declare function openNodeAccess(): Promise<NodeAccess>
