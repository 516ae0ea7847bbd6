import { isJsonObject, type JsonObject, type JsonValue, ownMember, ownObject, type ServerName, type UserId } from '@kith/matrix-protocol'
import type { RemoteKeysOutcome } from '../../client-api/federation-access.ts'
import type { ClaimedKeys, KeyClaims, KeyQueryAnswer } from '../../keys/key-types.ts'
import { limits } from '../../limits.ts'
import type { PeerClient } from '../peer-client.ts'

/** Asks other servers for keys of their users, all at once, each for a short time: a client waits. */
export class UserKeys {
  readonly #client: PeerClient

  constructor(client: PeerClient) {
    this.#client = client
  }

  query(
    byServer: ReadonlyMap<ServerName, readonly UserId[]>,
    signal: AbortSignal,
  ): Promise<Map<ServerName, RemoteKeysOutcome<KeyQueryAnswer>>> {
    return askAll(byServer, async (server, users) => {
      const body = { device_keys: Object.fromEntries(users.map((userId) => [userId, []])) }
      const answer = await this.#ask(server, 'query', body, signal)
      return answer.kind === 'answered' ? { kind: 'answered', answer: queryAnswerOf(answer.answer, users) } : answer
    })
  }

  claim(byServer: ReadonlyMap<ServerName, KeyClaims>, signal: AbortSignal): Promise<Map<ServerName, RemoteKeysOutcome<ClaimedKeys>>> {
    return askAll(byServer, async (server, claims) => {
      const answer = await this.#ask(server, 'claim', { one_time_keys: claims }, signal)
      return answer.kind === 'answered' ? { kind: 'answered', answer: claimedOf(answer.answer['one_time_keys'], claims) } : answer
    })
  }

  async #ask(server: ServerName, what: 'query' | 'claim', body: JsonObject, signal: AbortSignal): Promise<RemoteKeysOutcome<JsonObject>> {
    const path = `/_matrix/federation/v1/user/keys/${what}`
    const call = { method: 'POST', path, body, timeoutMs: limits.implementation.interactiveTimeoutMs } as const
    const answer = await this.#client.call(server, call, signal)
    return answer.kind === 'ok' ? { kind: 'answered', answer: answer.body } : { kind: 'unreachable', reason: answer.reason }
  }
}

async function askAll<Q, A>(
  byServer: ReadonlyMap<ServerName, Q>,
  ask: (server: ServerName, question: Q) => Promise<RemoteKeysOutcome<A>>,
): Promise<Map<ServerName, RemoteKeysOutcome<A>>> {
  return new Map(await Promise.all(Array.from(byServer, async ([server, question]) => [server, await ask(server, question)] as const)))
}

/** What the answer says of these users. Keys that say they are another's are left out. */
function queryAnswerOf(body: JsonObject, users: readonly UserId[]): KeyQueryAnswer {
  const deviceKeys = users.map((userId) => [userId, devicesOf(body, userId)] as const)
  return {
    device_keys: Object.fromEntries(deviceKeys),
    master_keys: crossSigningKeys(body, 'master_keys', users),
    self_signing_keys: crossSigningKeys(body, 'self_signing_keys', users),
    user_signing_keys: {},
  }
}

function devicesOf(body: JsonObject, userId: UserId): Record<string, JsonObject> {
  const devices = Object.entries(ownObject(ownObject(body, 'device_keys'), userId) ?? {})
  const own = devices.filter(
    (entry): entry is [string, JsonObject] =>
      isJsonObject(entry[1]) && entry[1]['user_id'] === userId && entry[1]['device_id'] === entry[0],
  )
  return Object.fromEntries(own.slice(0, limits.implementation.devicesPerUserMax))
}

function crossSigningKeys(body: JsonObject, member: string, users: readonly UserId[]): Record<string, JsonObject> {
  const keys = users.flatMap((userId) => {
    const key = ownObject(ownObject(body, member), userId)
    return key !== undefined && ownMember(key, 'user_id') === userId ? [[userId, key] as const] : []
  })
  return Object.fromEntries(keys)
}

/** Only what was asked for. */
function claimedOf(value: JsonValue | undefined, claims: KeyClaims): ClaimedKeys {
  if (!isJsonObject(value)) return {}
  const claimed = Object.entries(claims).map(([userId, devices]) => {
    const keys = Object.keys(devices).flatMap((deviceId) => {
      const key = ownObject(ownObject(value, userId), deviceId)
      return key === undefined ? [] : [[deviceId, key] as const]
    })
    return [userId, Object.fromEntries(keys)] as const
  })
  return Object.fromEntries(claimed.filter(([, devices]) => Object.keys(devices).length > 0))
}
