import { useSyncExternalStore } from 'react'
import { parseContactLink } from '../chat/contact-link.ts'
import type { ContactLinkOutcome } from '../chat/contact-link.ts'

/** Where the address of the page points: the hash, so that it never reaches a server. */
export type Route =
  | { readonly kind: 'list' }
  | { readonly kind: 'room'; readonly roomId: string }
  | { readonly kind: 'contact'; readonly outcome: ContactLinkOutcome }

const roomHashPrefix = '#/room/'

export function useRoute(): Route {
  return routeOf(useSyncExternalStore(subscribe, () => location.hash))
}

export function goToRoom(roomId: string): void {
  location.hash = `/room/${encodeURIComponent(roomId)}`
}

export function goToList(): void {
  location.hash = '/'
}

/** Like the two above, without a step back to where the page was. */
export function replaceRoute(roomId: string | undefined): void {
  history.replaceState(null, '', roomId === undefined ? '#/' : `${roomHashPrefix}${encodeURIComponent(roomId)}`)
  // replaceState tells nobody.
  dispatchEvent(new HashChangeEvent('hashchange'))
}

/** Exported for its test. */
export function routeOf(hash: string): Route {
  const contact = parseContactLink(hash)
  if (contact.kind !== 'not-a-link') return { kind: 'contact', outcome: contact }
  if (!hash.startsWith(roomHashPrefix)) return { kind: 'list' }
  try {
    return { kind: 'room', roomId: decodeURIComponent(hash.slice(roomHashPrefix.length)) }
  } catch {
    return { kind: 'list' }
  }
}

function subscribe(listener: () => void): () => void {
  addEventListener('hashchange', listener)
  return () => removeEventListener('hashchange', listener)
}
