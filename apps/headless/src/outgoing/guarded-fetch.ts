import type { LookupAddress } from 'node:dns'
import type { RequestInit, Response } from 'undici'

export interface GuardOptions {
  readonly resolve?: (hostname: string) => Promise<readonly LookupAddress[]>
  readonly mayConnectTo?: (address: string) => boolean
  /** Tests have no certificate that anybody trusts. */
  readonly certificateAuthority?: string
  /** Until the head of an answer, and between two pieces of its body. */
  readonly answerTimeoutMs?: number
}

export interface GuardedFetch extends AsyncDisposable {
  /** As `fetch`, without following redirects: whoever follows one asks again, and is judged again. */
  fetch(url: URL, init: Omit<RequestInit, 'dispatcher' | 'redirect'>): Promise<Response>
}

/**
 * Requests to others in the name of users, which must not reach this machine or the network that it is in.
 *
 * Invariants:
 * 1. A connection is made to an address that was judged, not to a name: what a name resolves to the next time does not matter.
 * 2. A name one of whose addresses is not public is refused as a whole.
 */
export function createGuardedFetch(options: GuardOptions = {}): GuardedFetch {
  let closed = false
  // A large library, which is loaded for the first request: many nodes make none.
  let opening: ReturnType<typeof openAgent> | undefined
  return {
    async fetch(url, init) {
      if (closed) throw new Error('no requests are made any more')
      opening ??= openAgent(options)
      const { agent, fetch } = await opening
      return fetch(url, { ...init, dispatcher: agent, redirect: 'manual' })
    },
    async [Symbol.asyncDispose]() {
      closed = true
      const opened = await opening
      await opened?.agent.destroy()
    },
  }
}

async function openAgent(options: GuardOptions) {
  const { createGuardedAgent, fetch } = await import('./guarded-agent.ts')
  return { agent: createGuardedAgent(options), fetch }
}
