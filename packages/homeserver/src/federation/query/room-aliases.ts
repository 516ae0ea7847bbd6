import { type JsonObject, type JsonValue, parseRoomId, parseServerName, type RoomAlias, serverNameOf } from '@kith/matrix-protocol'
import type { RemoteAliasOutcome } from '../../client-api/federation-access.ts'
import { limits } from '../../limits.ts'
import type { PeerClient } from '../peer-client.ts'

/** Asks the server that an alias belongs to. @see https://spec.matrix.org/latest/server-server-api/#get_matrixfederationv1querydirectory */
export async function resolveRemoteAlias(client: PeerClient, alias: RoomAlias, signal: AbortSignal): Promise<RemoteAliasOutcome> {
  const path = `/_matrix/federation/v1/query/directory?${new URLSearchParams({ room_alias: alias })}`
  const answer = await client.call(serverNameOf(alias), { method: 'GET', path }, signal)
  if (answer.kind === 'refused') return { kind: 'not-found' }
  if (answer.kind !== 'ok') return { kind: 'unreachable', reason: answer.reason }
  return parseAliasAnswer(answer.body)
}

function parseAliasAnswer(body: JsonObject): RemoteAliasOutcome {
  const roomId = parseRoomId(body['room_id'])
  const servers: JsonValue = body['servers'] ?? []
  if (roomId === undefined || !Array.isArray(servers)) return { kind: 'unreachable', reason: 'The answer is malformed' }
  const named = servers.slice(0, limits.implementation.aliasServersMax).flatMap((server: JsonValue) => parseServerName(server) ?? [])
  return { kind: 'found', roomId, servers: named }
}
