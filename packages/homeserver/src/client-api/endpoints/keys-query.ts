import { parseUserId, type RoomId, type ServerName, serverNameOf, type UserId } from '@kith/matrix-protocol'
import * as v from 'valibot'
import type { KeyQueryAnswer } from '../../keys/key-types.ts'
import type { StoredRemoteKeys } from '../../keys/tables.ts'
import { limits } from '../../limits.ts'
import { MatrixError } from '../../matrix-error.ts'
import { parseSyncToken } from '../../sync/sync-token.ts'
import { type Api, endpoint } from '../endpoint.ts'
import { mapSchema, nameSchema } from '../schemas.ts'

const { devicesNamedPerUserMax, usersPerKeyRequestMax } = limits.implementation

/** Others are asked for as long as this server has patience; a client may not shorten or lengthen that. */
const timeoutSchema = v.optional(v.pipe(v.number(), v.safeInteger()))

const querySchema = v.looseObject({
  timeout: timeoutSchema,
  device_keys: mapSchema(v.pipe(v.array(v.string()), v.maxLength(devicesNamedPerUserMax)), usersPerKeyRequestMax),
})

const claimSchema = v.looseObject({
  timeout: timeoutSchema,
  one_time_keys: mapSchema(mapSchema(nameSchema, devicesNamedPerUserMax), usersPerKeyRequestMax),
})

export const keysQueryEndpoints = [
  endpoint({
    method: 'POST',
    path: '/keys/query',
    body: querySchema,
    async handle(api, { session, body, signal }) {
      const wanted = new Map<UserId, readonly string[]>()
      for (const [name, devices] of body.device_keys) {
        const userId = parseUserId(name)
        if (userId !== undefined) wanted.set(userId, devices)
      }
      const isLocal = (userId: UserId): boolean => serverNameOf(userId) === api.serverName
      const answer = await api.keys.queryLocal([...wanted.keys()].filter(isLocal), session.userId)
      const remote = [...wanted.keys()].filter((userId) => !isLocal(userId))
      const failures = await addRemoteKeys(api, session.userId, remote, answer, signal)
      keepWantedDevices(answer, wanted)
      return { ...answer, failures: Object.fromEntries(failures.map((server) => [server, {}])) }
    },
  }),
  endpoint({
    method: 'POST',
    path: '/keys/claim',
    body: claimSchema,
    async handle(api, { body, signal }) {
      const byServer = new Map<ServerName, Map<UserId, Record<string, string>>>()
      for (const [name, devices] of body.one_time_keys) {
        const userId = parseUserId(name)
        if (userId === undefined) continue
        const server = serverNameOf(userId)
        const claims = byServer.get(server) ?? new Map<UserId, Record<string, string>>()
        byServer.set(server, claims.set(userId, Object.fromEntries(devices)))
      }
      const local = Object.fromEntries(byServer.get(api.serverName) ?? [])
      byServer.delete(api.serverName)
      const remote = new Map([...byServer].map(([server, claims]) => [server, Object.fromEntries(claims)] as const))
      const answers = remote.size === 0 ? new Map<ServerName, never>() : await api.federation.claimKeys(remote, signal)
      const keys = [await api.keys.claimLocal(local)]
      const failures: ServerName[] = []
      for (const server of remote.keys()) {
        const outcome = answers.get(server)
        if (outcome?.kind === 'answered') keys.push(outcome.answer)
        else failures.push(server)
      }
      return {
        one_time_keys: Object.fromEntries(keys.flatMap((claimed) => Object.entries(claimed))),
        failures: Object.fromEntries(failures.map((server) => [server, {}])),
      }
    },
  }),
  endpoint({
    method: 'GET',
    path: '/keys/changes',
    async handle(api, { session, query }) {
      const from = parseSyncToken(query.get('from') ?? '')
      const to = parseSyncToken(query.get('to') ?? '')
      if (from === undefined || to === undefined) throw new MatrixError(400, 'M_INVALID_PARAM', 'from and to must be tokens of sync')
      return api.sync.deviceListChanges(session, from.position, to.position)
    },
  }),
]

/**
 * Adds the keys of other servers' users: from the cache where updates keep it fresh, otherwise from their servers, and from an old
 * cache where those are away. Returns the servers of which nothing is known.
 */
async function addRemoteKeys(
  api: Api,
  asker: UserId,
  userIds: readonly UserId[],
  answer: KeyQueryAnswer,
  signal: AbortSignal,
): Promise<ServerName[]> {
  const askedAt = api.keys.remote.position
  const missing = new Map<ServerName, UserId[]>()
  const rooms = api.rooms.joinedRooms(asker)
  for (const userId of userIds) {
    const cached = await api.keys.remote.get(userId)
    if (cached !== undefined && !cached.stale && isFollowed(api, rooms, [asker, userId], cached.askedAt))
      await addCached(api, asker, userId, cached, answer)
    else missing.set(serverNameOf(userId), [...(missing.get(serverNameOf(userId)) ?? []), userId])
  }
  if (missing.size === 0) return []
  const answers = await api.federation.queryDeviceKeys(missing, signal)
  const failures: ServerName[] = []
  for (const [server, users] of missing) {
    const outcome = answers.get(server)
    if (outcome?.kind === 'answered') await api.keys.remote.store(server, users, outcome.answer, askedAt)
    for (const userId of users) {
      const cached = await api.keys.remote.get(userId)
      // An old cache without any device is no knowledge: a client must not encrypt as if the user had none.
      const isKnown = outcome?.kind === 'answered' || (cached !== undefined && Object.keys(cached.devices).length > 0)
      if (cached !== undefined && isKnown) await addCached(api, asker, userId, cached, answer)
      else if (!failures.includes(server)) failures.push(server)
    }
  }
  return failures
}

/**
 * Whether a room was shared with the user ever since. Updates of keys come only to servers that share one: what was learnt of somebody
 * who was invited, or had left, may have changed by the time they join.
 */
function isFollowed(api: Api, rooms: readonly RoomId[], users: readonly UserId[], since: number): boolean {
  return rooms.some((roomId) => {
    const state = api.rooms.state(roomId)
    return users.every((member) => state?.membershipOf(member) === 'join' && (state.get('m.room.member', member)?.position ?? 0) <= since)
  })
}

async function addCached(api: Api, asker: UserId, userId: UserId, cached: StoredRemoteKeys, answer: KeyQueryAnswer): Promise<void> {
  answer.device_keys[userId] = { ...cached.devices }
  if (cached.master !== undefined) answer.master_keys[userId] = await api.keys.withUserSignatures(asker, userId, cached.master)
  if (cached.selfSigning !== undefined) answer.self_signing_keys[userId] = cached.selfSigning
}

/** An empty list asks for all devices. */
function keepWantedDevices(answer: KeyQueryAnswer, wanted: ReadonlyMap<UserId, readonly string[]>): void {
  for (const [userId, devices] of wanted) {
    const found = answer.device_keys[userId]
    if (found === undefined || devices.length === 0) continue
    answer.device_keys[userId] = Object.fromEntries(Object.entries(found).filter(([deviceId]) => devices.includes(deviceId)))
  }
}
