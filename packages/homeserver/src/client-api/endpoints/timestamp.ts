import { prevEventIdsOf, type RoomId } from '@kith/matrix-protocol'
import type { Session } from '../../accounts/accounts.ts'
import { limits } from '../../limits.ts'
import { MatrixError } from '../../matrix-error.ts'
import type { StoredEvent } from '../../rooms/index.ts'
import { type Api, endpoint } from '../endpoint.ts'
import { directionFrom, roomIdFrom } from '../parameters.ts'
import { memberEvent } from '../room-access.ts'

type Direction = 'f' | 'b'

export const timestampEndpoints = [
  endpoint({
    method: 'GET',
    path: '/rooms/:roomId/timestamp_to_event',
    versions: ['v1', 'unstable/org.matrix.msc3030'],
    async handle(api, { params, session, query, signal }) {
      const roomId = roomIdFrom(params.roomId)
      memberEvent(api, session, roomId)
      const timestamp = timestampFrom(query)
      const direction = directionFrom(query)
      const here = await visibleNear(api, session, roomId, timestamp, direction)
      const elsewhere = (await isBesideGap(api, roomId, timestamp))
        ? await fetchNearer(api, session, { roomId, timestamp, direction }, here, signal)
        : undefined
      const found = elsewhere ?? here
      if (found === undefined) throw new MatrixError(404, 'M_NOT_FOUND', 'There is no event from that time in this direction')
      return { event_id: found.eventId, origin_server_ts: found.pdu.origin_server_ts }
    },
  }),
]

async function visibleNear(
  api: Api,
  session: Session,
  roomId: RoomId,
  from: number,
  direction: Direction,
): Promise<StoredEvent | undefined> {
  let timestamp = from
  for (let unseen = 0; unseen < limits.implementation.timestampUnseenMax; unseen++) {
    const event = await api.rooms.eventsNear(roomId, timestamp, direction)
    if (event === undefined || (await api.sync.visibility.isVisible(event, session.userId))) return event
    timestamp = event.pdu.origin_server_ts + (direction === 'f' ? 1 : -1)
  }
  return undefined
}

/** Whether history is missing around that time: the first event after it builds on events that are not here. */
async function isBesideGap(api: Api, roomId: RoomId, timestamp: number): Promise<boolean> {
  const after = await api.rooms.eventsNear(roomId, timestamp, 'f')
  if (after === undefined) return false
  const before = await api.rooms.events(prevEventIdsOf(after.pdu))
  return before.some((event) => event === undefined || event.status === 'outlier')
}

/** The event that other servers name, when it is closer than what is here; it is fetched, so that the client can go on from it. */
async function fetchNearer(
  api: Api,
  session: Session,
  wanted: { readonly roomId: RoomId; readonly timestamp: number; readonly direction: Direction },
  here: StoredEvent | undefined,
  signal: AbortSignal,
): Promise<StoredEvent | undefined> {
  const found = await api.federation.timestampToEvent(wanted, signal)
  if (found === undefined) return undefined
  const distance = Math.abs(found.time - wanted.timestamp)
  if (here !== undefined && distance >= Math.abs(here.pdu.origin_server_ts - wanted.timestamp)) return undefined
  await api.federation.backfill(wanted.roomId, [found.eventId], limits.implementation.backfillPageSize, signal)
  const event = await api.rooms.event(found.eventId)
  // The other server's word about the time does not count any more.
  const isRight = event?.roomId === wanted.roomId && event.pdu.origin_server_ts === found.time
  return isRight && (await api.sync.visibility.isVisible(event, session.userId)) ? event : undefined
}

function timestampFrom(query: URLSearchParams): number {
  const text = query.get('ts')
  if (text === null) throw new MatrixError(400, 'M_MISSING_PARAM', 'ts is missing')
  if (!/^-?\d{1,16}$/.test(text)) throw new MatrixError(400, 'M_INVALID_PARAM', 'ts must be a time in milliseconds')
  return Math.max(0, Math.min(Number(text), Number.MAX_SAFE_INTEGER))
}
