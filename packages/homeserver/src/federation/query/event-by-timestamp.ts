import { ownInteger, parseEventId, type RoomId, type ServerName } from '@kith/matrix-protocol'
import type { EventAtTime } from '../../client-api/federation-access.ts'
import { limits } from '../../limits.ts'
import type { PeerClient } from '../peer-client.ts'

/**
 * Asks these servers, one after the other, for the event of the room that is closest to a time; the first that has one is believed as far
 * as that it is worth a look.
 * @see https://spec.matrix.org/latest/server-server-api/#get_matrixfederationv1timestamp_to_eventroomid
 */
export async function askEventByTimestamp(
  client: PeerClient,
  servers: readonly ServerName[],
  wanted: { readonly roomId: RoomId; readonly timestamp: number; readonly direction: 'f' | 'b' },
  signal: AbortSignal,
): Promise<EventAtTime | undefined> {
  const query = new URLSearchParams({ ts: String(wanted.timestamp), dir: wanted.direction })
  const path = `/_matrix/federation/v1/timestamp_to_event/${encodeURIComponent(wanted.roomId)}?${query}`
  for (const server of servers) {
    const call = { method: 'GET', path, timeoutMs: limits.implementation.interactiveTimeoutMs } as const
    const answer = await client.call(server, call, signal)
    if (answer.kind !== 'ok') continue
    const eventId = parseEventId(answer.body['event_id'])
    const time = ownInteger(answer.body, 'origin_server_ts')
    if (eventId === undefined || time === undefined) continue
    if (wanted.direction === 'f' ? time >= wanted.timestamp : time <= wanted.timestamp) return { eventId, time }
  }
  return undefined
}
