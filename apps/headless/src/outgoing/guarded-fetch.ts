import type { LookupAddress } from 'node:dns'
import { lookup as resolveName } from 'node:dns/promises'
import { isIP, type LookupFunction } from 'node:net'
import { callbackify } from 'node:util'
import { Agent, buildConnector, fetch as undiciFetch, type RequestInit, type Response } from 'undici'
import { isPublicAddress } from './public-address.ts'

/** A request would have gone where none may go. */
class ForbiddenDestinationError extends Error {
  override readonly name = 'ForbiddenDestinationError'
}

export interface GuardOptions {
  readonly resolve?: (hostname: string) => Promise<readonly LookupAddress[]>
  readonly mayConnectTo?: (address: string) => boolean
  /** Tests have no certificate that anybody trusts. */
  readonly certificateAuthority?: string
  /** Until the head of an answer, and between two pieces of its body. */
  readonly answerTimeoutMs?: number
}

const CONNECT_TIMEOUT_MS = 10_000
const ANSWER_TIMEOUT_MS = 10_000
const CONNECTIONS_PER_ORIGIN = 4
const RESPONSE_HEAD_BYTES_MAX = 32 * 1024

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
  const { resolve = resolveAll, mayConnectTo = isPublicAddress, certificateAuthority, answerTimeoutMs = ANSWER_TIMEOUT_MS } = options
  const connect = buildConnector({
    timeout: CONNECT_TIMEOUT_MS,
    lookup: judgedLookup(resolve, mayConnectTo),
    ...(certificateAuthority === undefined ? {} : { ca: certificateAuthority }),
  })
  const agent = new Agent({
    connect(target, callback) {
      // Addresses that stand in the URL itself are never looked up.
      const literal = target.hostname.replace(/^\[(.*)\]$/, '$1')
      if (isIP(literal) !== 0 && !mayConnectTo(literal)) callback(new ForbiddenDestinationError('The address is not public'), null)
      else connect(target, callback)
    },
    headersTimeout: answerTimeoutMs,
    bodyTimeout: answerTimeoutMs,
    connections: CONNECTIONS_PER_ORIGIN,
    maxHeaderSize: RESPONSE_HEAD_BYTES_MAX,
  })
  return {
    fetch: async (url, init) => undiciFetch(url, { ...init, dispatcher: agent, redirect: 'manual' }),
    [Symbol.asyncDispose]: async () => agent.destroy(),
  }
}

function judgedLookup(resolve: NonNullable<GuardOptions['resolve']>, mayConnectTo: (address: string) => boolean): LookupFunction {
  const judge = callbackify(async (hostname: string): Promise<readonly [LookupAddress, ...LookupAddress[]]> => {
    const [first, ...others] = await resolve(hostname)
    if (first === undefined || ![first, ...others].every(({ address }) => mayConnectTo(address))) {
      throw new ForbiddenDestinationError('The name leads to an address that is not public')
    }
    return [first, ...others]
  })
  return (hostname, { all }, callback) => {
    judge(hostname, (error, addresses) => {
      if (error !== null) callback(error, '')
      else if (all === true) callback(null, [...addresses])
      else callback(null, addresses[0].address, addresses[0].family)
    })
  }
}

async function resolveAll(hostname: string): Promise<readonly LookupAddress[]> {
  return resolveName(hostname, { all: true })
}
