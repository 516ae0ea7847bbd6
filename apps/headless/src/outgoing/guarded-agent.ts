import type { LookupAddress } from 'node:dns'
import { lookup as resolveName } from 'node:dns/promises'
import { isIP, type LookupFunction } from 'node:net'
import { callbackify } from 'node:util'
import { Agent, buildConnector, fetch } from 'undici'
import type { GuardOptions } from './guarded-fetch.ts'
import { limits } from '../limits.ts'
import { isPublicAddress } from './public-address.ts'

/** A request would have gone where none may go. */
class ForbiddenDestinationError extends Error {
  override readonly name = 'ForbiddenDestinationError'
}

export { fetch }

/** Connects as `createGuardedFetch` promises. */
export function createGuardedAgent({
  resolve = resolveAll,
  mayConnectTo = isPublicAddress,
  certificateAuthority,
  answerTimeoutMs = limits.answerTimeoutMs,
}: GuardOptions): Agent {
  const connect = buildConnector({
    timeout: limits.connectTimeoutMs,
    lookup: judgedLookup(resolve, mayConnectTo),
    ...(certificateAuthority === undefined ? {} : { ca: certificateAuthority }),
  })
  return new Agent({
    connect(target, callback) {
      // Addresses that stand in the URL itself are never looked up.
      const literal = target.hostname.replace(/^\[(.*)\]$/, '$1')
      if (isIP(literal) !== 0 && !mayConnectTo(literal)) callback(new ForbiddenDestinationError('The address is not public'), null)
      else connect(target, callback)
    },
    headersTimeout: answerTimeoutMs,
    bodyTimeout: answerTimeoutMs,
    connections: limits.connectionsPerOrigin,
    maxHeaderSize: limits.responseHeadBytesMax,
  })
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
