/** What tabs and the service worker of the origin say to each other; ports travel with it. */
export type TabMessage =
  /** Service worker → tab, with a port for the answer. Only the leading tab answers. */
  | { readonly kind: 'kith:who-leads' }
  /** Leading tab → service worker, on that port. */
  | { readonly kind: 'kith:leading' }
  /** Leading tab → service worker, with a fresh port to the node: it leads now. */
  | { readonly kind: 'kith:node-port' }
  /** Following tab → service worker → leading tab, with a port that is to reach the node. */
  | { readonly kind: 'kith:connect' }

const kinds: ReadonlySet<unknown> = new Set<TabMessage['kind']>(['kith:who-leads', 'kith:leading', 'kith:node-port', 'kith:connect'])

/** Undefined for messages of others on the same origin. */
export function parseTabMessage(data: unknown): TabMessage | undefined {
  return typeof data === 'object' && data !== null && 'kind' in data && kinds.has(data.kind) ? (data as TabMessage) : undefined
}
