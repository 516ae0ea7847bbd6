import { type JsonObject, type ServerName, serverNameOf, type UserId } from '@kith/matrix-protocol'
import type { Profile, RemoteProfileOutcome } from '../../client-api/federation-access.ts'
import { limits } from '../../limits.ts'
import type { Clock } from '../../ports/clock.ts'
import type { RelayLists } from '../../relay/relay-lists.ts'
import type { PeerClient } from '../peer-client.ts'

interface CachedProfile {
  readonly profile: Profile
  readonly until: number
}

/** Asks other servers for profiles; what they answered is good for a while, and for longer while they are away. */
export class Profiles {
  readonly #client: PeerClient
  readonly #clock: Clock
  readonly #relayLists: RelayLists
  readonly #cache = new Map<UserId, CachedProfile>()

  constructor(parts: { readonly client: PeerClient; readonly clock: Clock; readonly relayLists: RelayLists }) {
    this.#client = parts.client
    this.#clock = parts.clock
    this.#relayLists = parts.relayLists
  }

  async query(userId: UserId, signal: AbortSignal): Promise<RemoteProfileOutcome> {
    const cached = this.#cache.get(userId)
    if (cached !== undefined && cached.until > this.#clock.now()) return { kind: 'found', profile: cached.profile }
    const server = serverNameOf(userId)
    const path = `/_matrix/federation/v1/query/profile?${new URLSearchParams({ user_id: userId })}`
    const answer = await this.#client.call(server, { method: 'GET', path, timeoutMs: limits.implementation.interactiveTimeoutMs }, signal)
    if (answer.kind === 'ok') return { kind: 'found', profile: await this.#keep(server, userId, answer.body) }
    if (answer.kind === 'refused' && answer.status === 404) return { kind: 'not-found' }
    return cached === undefined ? { kind: 'unreachable', reason: answer.reason } : { kind: 'found', profile: cached.profile }
  }

  async #keep(server: ServerName, userId: UserId, body: JsonObject): Promise<Profile> {
    const profile = profileOf(body)
    this.#cache.delete(userId)
    this.#cache.set(userId, { profile, until: this.#clock.now() + limits.implementation.profileCacheMs })
    const [oldest] = this.#cache.keys()
    if (this.#cache.size > limits.implementation.profileCacheEntriesMax && oldest !== undefined) this.#cache.delete(oldest)
    const list = body['im.kith.relay_list']
    if (list !== undefined) await this.#relayLists.learn(server, list)
    return profile
  }
}

/** The profile without what is no part of it; without its further fields when they are too large to be kept. */
function profileOf({ displayname, avatar_url, 'im.kith.relay_list': _relayList, ...further }: JsonObject): Profile {
  const isSmall = JSON.stringify(further).length <= limits.specification.profileBytesMax
  return {
    ...(isSmall ? further : {}),
    ...(typeof displayname === 'string' ? { displayname: displayname.slice(0, limits.implementation.profileTextCharactersMax) } : {}),
    ...(typeof avatar_url === 'string' ? { avatar_url: avatar_url.slice(0, limits.implementation.profileTextCharactersMax) } : {}),
  }
}
