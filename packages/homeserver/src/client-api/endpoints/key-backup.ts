import { type JsonObject, unreachable, type UserId } from '@kith/matrix-protocol'
import * as v from 'valibot'
import { limits } from '../../limits.ts'
import { MatrixError } from '../../matrix-error.ts'
import type { BackupEntry, BackupWriteOutcome } from '../../keys/key-backup.ts'
import type { StoredBackupVersion } from '../../keys/tables.ts'
import { type Api, endpoint } from '../endpoint.ts'
import { jsonObjectSchema, mapSchema, nameSchema } from '../schemas.ts'

const { backupSessionBytesMax, backupSessionsPerRequestMax, requestBodyBytesMax } = limits.implementation

const countSchema = v.pipe(v.number(), v.safeInteger(), v.minValue(0))
const versionSchema = v.looseObject({
  algorithm: nameSchema,
  auth_data: jsonObjectSchema,
  version: v.optional(v.string()),
})
const sessionShape = v.looseObject({
  first_message_index: countSchema,
  forwarded_count: countSchema,
  is_verified: v.boolean(),
  session_data: jsonObjectSchema,
})
const sessionSchema = v.pipe(
  jsonObjectSchema,
  v.check((session) => JSON.stringify(session).length <= backupSessionBytesMax, 'too large'),
  v.check((session) => v.is(sessionShape, session), 'not a session'),
)
const roomSchema = v.looseObject({ sessions: mapSchema(sessionSchema, backupSessionsPerRequestMax) })
const allRoomsSchema = v.looseObject({ rooms: mapSchema(roomSchema, backupSessionsPerRequestMax) })

export const keyBackupEndpoints = [
  endpoint({
    method: 'POST',
    path: '/room_keys/version',
    body: versionSchema,
    handle: async (api, { session, body }) => ({ version: await api.backup.createVersion(session.userId, body.algorithm, body.auth_data) }),
  }),
  endpoint({
    method: 'GET',
    path: '/room_keys/version',
    handle: async (api, { session }) => describe(await api.backup.version(session.userId)),
  }),
  endpoint({
    method: 'GET',
    path: '/room_keys/version/:version',
    handle: async (api, { session, params }) => describe(await api.backup.version(session.userId, params.version)),
  }),
  endpoint({
    method: 'PUT',
    path: '/room_keys/version/:version',
    body: versionSchema,
    async handle(api, { session, params, body }) {
      const stored = await api.backup.version(session.userId, params.version)
      if (stored === undefined) throw noBackup()
      if (stored.algorithm !== body.algorithm || (body.version !== undefined && body.version !== params.version)) {
        throw new MatrixError(400, 'M_INVALID_PARAM', 'Algorithm and version of a backup cannot change')
      }
      await api.backup.updateVersion(session.userId, params.version, body.auth_data)
      return {}
    },
  }),
  endpoint({
    method: 'DELETE',
    path: '/room_keys/version/:version',
    async handle(api, { session, params }) {
      if (!(await api.backup.deleteVersion(session.userId, params.version))) throw noBackup()
      return {}
    },
  }),
  endpoint({
    method: 'PUT',
    path: '/room_keys/keys',
    body: allRoomsSchema,
    bodyBytesMax: requestBodyBytesMax,
    handle: async (api, { session, query, body }) =>
      putSessions(
        api,
        session.userId,
        query,
        body.rooms.flatMap(([roomId, room]) => entriesOf(roomId, room.sessions)),
      ),
  }),
  endpoint({
    method: 'PUT',
    path: '/room_keys/keys/:roomId',
    body: roomSchema,
    bodyBytesMax: requestBodyBytesMax,
    handle: async (api, { session, query, params, body }) =>
      putSessions(api, session.userId, query, entriesOf(params.roomId, body.sessions)),
  }),
  endpoint({
    method: 'PUT',
    path: '/room_keys/keys/:roomId/:sessionId',
    body: sessionSchema,
    handle: async (api, { session, query, params, body }) =>
      putSessions(api, session.userId, query, [{ roomId: params.roomId, sessionId: params.sessionId, session: body }]),
  }),
  endpoint({
    method: 'GET',
    path: '/room_keys/keys',
    async handle(api, { session, query }) {
      const entries = await readSessions(api, session.userId, query, [])
      const rooms = Map.groupBy(entries, (entry) => entry.roomId)
      return { rooms: Object.fromEntries([...rooms].map(([roomId, sessions]) => [roomId, { sessions: toObject(sessions) }])) }
    },
  }),
  endpoint({
    method: 'GET',
    path: '/room_keys/keys/:roomId',
    handle: async (api, { session, query, params }) => ({
      sessions: toObject(await readSessions(api, session.userId, query, [params.roomId])),
    }),
  }),
  endpoint({
    method: 'GET',
    path: '/room_keys/keys/:roomId/:sessionId',
    async handle(api, { session, query, params }) {
      const [entry] = await readSessions(api, session.userId, query, [params.roomId, params.sessionId])
      if (entry === undefined) throw new MatrixError(404, 'M_NOT_FOUND', 'No such key in the backup')
      return entry.session
    },
  }),
  ...['/room_keys/keys', '/room_keys/keys/:roomId', '/room_keys/keys/:roomId/:sessionId'].map((path) =>
    endpoint({
      method: 'DELETE',
      path: path as '/room_keys/keys/:roomId/:sessionId',
      async handle(api, { session, query, params }) {
        const within = [params.roomId, params.sessionId].filter((part: string | undefined) => part !== undefined)
        return answerWrite(await api.backup.deleteSessions(session.userId, versionOf(query), within))
      },
    }),
  ),
]

function entriesOf(roomId: string, sessions: readonly (readonly [string, JsonObject])[]): BackupEntry[] {
  return sessions.map(([sessionId, session]) => ({ roomId, sessionId, session }))
}

async function putSessions(api: Api, userId: UserId, query: URLSearchParams, entries: readonly BackupEntry[]): Promise<object> {
  return answerWrite(await api.backup.putSessions(userId, versionOf(query), entries))
}

async function readSessions(api: Api, userId: UserId, query: URLSearchParams, within: readonly string[]): Promise<BackupEntry[]> {
  const version = versionOf(query)
  if ((await api.backup.version(userId, version)) === undefined) throw noBackup()
  return api.backup.sessions(userId, version, within)
}

function answerWrite(outcome: BackupWriteOutcome): object {
  switch (outcome.kind) {
    case 'stored':
      return { count: outcome.count, etag: outcome.etag }
    case 'no-backup':
      throw noBackup()
    case 'wrong-version':
      throw new MatrixError(403, 'M_WRONG_ROOM_KEYS_VERSION', 'This is not the current backup', { current_version: outcome.currentVersion })
    default:
      return unreachable(outcome)
  }
}

function describe(stored: StoredBackupVersion | undefined): object {
  if (stored === undefined) throw noBackup()
  const { version, algorithm, authData, count, etag } = stored
  return { version, algorithm, auth_data: authData, count, etag: String(etag) }
}

function toObject(entries: readonly BackupEntry[]): object {
  return Object.fromEntries(entries.map((entry) => [entry.sessionId, entry.session]))
}

function versionOf(query: URLSearchParams): string {
  const version = query.get('version')
  if (version === null) throw new MatrixError(400, 'M_MISSING_PARAM', 'version is missing')
  return version
}

function noBackup(): MatrixError {
  return new MatrixError(404, 'M_NOT_FOUND', 'No current backup version')
}
