import { unreachable, type UserId } from '@kith/matrix-protocol'
import type { Session } from '../accounts/accounts.ts'

/**
 * Who makes a request, as far as it can be told: so that whoever guesses or floods uses up no one's attempts but their own. Any web page
 * that the user visits reaches a node on its loopback address, but no page can hide or forge that it is one, nor of which origin.
 */
export type Caller =
  | { readonly kind: 'user'; readonly userId: UserId }
  | { readonly kind: 'program' }
  | { readonly kind: 'page'; readonly origin: string }

const originCharactersMax = 300

export function callerOf(headers: Headers, session: Session | undefined): Caller {
  if (session !== undefined) return { kind: 'user', userId: session.userId }
  const origin = headers.get('origin')
  if (origin !== null) return { kind: 'page', origin: origin.slice(0, originCharactersMax) }
  // Simple requests of pages name no origin; browsers mark them all the same.
  return headers.has('sec-fetch-site') ? { kind: 'page', origin: '' } : { kind: 'program' }
}

export function nameOfCaller(caller: Caller): string {
  switch (caller.kind) {
    case 'user':
      return caller.userId
    case 'program':
      return 'program'
    case 'page':
      return `page ${caller.origin}`
    default:
      return unreachable(caller)
  }
}

/** What pages of all origins have in common; undefined for whoever is none. */
export function pageOf({ kind }: Caller): string | undefined {
  return kind === 'page' ? kind : undefined
}
