import { ownString, parseEventId, type RoomId, type UserId } from '@kith/matrix-protocol'
import type { Session } from '../../accounts/accounts.ts'
import { withoutIgnored } from '../../accounts/ignored-users.ts'
import { limits } from '../../limits.ts'
import { MatrixError } from '../../matrix-error.ts'
import type { StoredEvent } from '../../rooms/index.ts'
import { readStreamChanges } from '../../sync/stream-changes.ts'
import { formatSyncToken, parseSyncToken } from '../../sync/sync-token.ts'
import { type Api, endpoint } from '../endpoint.ts'
import { integerFrom, roomIdFrom } from '../parameters.ts'
import { describeRoom } from '../room-snapshot.ts'
import { readable, visibleEvent, waitForMembers } from '../room-access.ts'

const { initialSyncMessagesDefault, initialSyncMessagesMax, messagesPageMax, syncTimeoutMaxMs } = limits.implementation

/** What clients used before /sync. It is read from the same stream, and needs no care of its own. */
export const oldSyncEndpoints = [
  // With a room_id, a room that the user is not in may be watched too, where the world may read it.
  endpoint({
    method: 'GET',
    path: '/events',
    async handle(api, { session, query, signal }) {
      const from = eventsTokenFrom(query) ?? api.timeline.position
      const roomId = query.get('room_id')
      const watched = roomId === null ? undefined : roomIdFrom(roomId)
      const deadline = api.ports.clock.now() + integerFrom(query, 'timeout', 0, syncTimeoutMaxMs)
      return api.polls.run(session.userId, signal, async (poll) => {
        for (let after = Math.min(from, api.timeline.position), isLast = false; ;) {
          const upTo = api.timeline.position
          const events = await eventsBetween(api, session, watched, after, upTo)
          const remaining = deadline - api.ports.clock.now()
          if (events.length > 0 || remaining <= 0 || isLast)
            return { start: eventsToken(from), end: eventsToken(upTo), chunk: await api.sync.events.withRoomId(events, session) }
          after = upTo
          isLast = !(await api.sync.polls.waitFor(session, remaining, poll, async (either) => api.timeline.changed(upTo, either)))
        }
      })
    },
  }),
  endpoint({
    method: 'GET',
    path: '/events/:eventId',
    async handle(api, { session, params }) {
      const event = await anyVisibleEvent(api, session, params.eventId)
      const [formatted] = await api.sync.events.withRoomId([event], session)
      return formatted ?? {}
    },
  }),
  endpoint({
    method: 'GET',
    path: '/initialSync',
    async handle(api, { session, query, signal }) {
      const limit = integerFrom(query, 'limit', initialSyncMessagesDefault, initialSyncMessagesMax)
      const ignored = await api.conversation.ignoredUsers.of(session.userId)
      const end = eventsToken(api.timeline.position)
      const rooms: object[] = []
      for (const roomId of roomsOf(api, session.userId, query.get('archived') === 'true')) {
        if (await isTold(api, session.userId, roomId, ignored)) rooms.push(await describeRoom(api, session, roomId, limit, signal))
      }
      for (const { roomId, event } of api.rooms.invites(session.userId)) {
        if (event.content['membership'] === 'invite' && !ignored.has(event.sender)) rooms.push({ room_id: roomId, membership: 'invite' })
      }
      const accountData = await api.accountData.all(session.userId, '')
      return { end, rooms, presence: [], account_data: accountData.map(({ type, content }) => ({ type, content })) }
    },
  }),
  endpoint({
    method: 'GET',
    path: '/rooms/:roomId/initialSync',
    async handle(api, { session, params, query, signal }) {
      const roomId = roomIdFrom(params.roomId)
      await readable(api, session, roomId)
      await waitForMembers(api, roomId, signal)
      return describeRoom(api, session, roomId, integerFrom(query, 'limit', initialSyncMessagesDefault, messagesPageMax), signal)
    },
  }),
]

/** Such a token acknowledges nothing: to-device messages are for /sync alone. */
function eventsToken(position: number): string {
  return formatSyncToken({ position, inbox: 0 })
}

function eventsTokenFrom(query: URLSearchParams): number | undefined {
  const text = query.get('from')
  if (text === null || text === '') return undefined
  const token = parseSyncToken(text)
  if (token === undefined) throw new MatrixError(400, 'M_INVALID_PARAM', 'from is no token of the event stream')
  return token.position
}

/** What the user may see of what came after one position, up to another, in the order in which it came. */
async function eventsBetween(
  api: Api,
  session: Session,
  watched: RoomId | undefined,
  after: number,
  upTo: number,
): Promise<readonly StoredEvent[]> {
  const found: StoredEvent[] = []
  const ignored = await api.conversation.ignoredUsers.of(session.userId)
  for (const roomId of await changedRooms(api, session, watched, after, upTo)) {
    const { events } = await api.rooms.timelineSince(roomId, after, messagesPageMax, upTo)
    const heard = withoutIgnored(events, ignored).filter((event) => !isInviteBy(ignored, session.userId, event))
    found.push(...(await api.sync.visibility.filter(heard, session.userId)))
  }
  return found.toSorted((one, other) => (one.position ?? 0) - (other.position ?? 0))
}

async function changedRooms(
  api: Api,
  session: Session,
  watched: RoomId | undefined,
  after: number,
  upTo: number,
): Promise<readonly RoomId[]> {
  if (after >= upTo) return []
  if (watched !== undefined) {
    await readable(api, session, watched)
    return [watched]
  }
  const { rooms } = await readStreamChanges(api.timeline, session.userId, after, upTo)
  const known = roomsOf(api, session.userId, true)
  return rooms === undefined ? known : known.filter((roomId) => rooms.has(roomId))
}

/** Rooms held here that the user is in or invited to, and those where they were. */
function roomsOf(api: Api, userId: UserId, withArchived: boolean): RoomId[] {
  return api.rooms.roomIds().filter((roomId) => {
    if (api.rooms.isPartial(roomId)) return false
    const member = api.rooms.state(roomId)?.get('m.room.member', userId)
    const membership = ownString(member?.pdu.content, 'membership')
    return membership === 'join' || membership === 'invite' || (withArchived && (membership === 'leave' || membership === 'ban'))
  })
}

/** All but invites by those whom the user ignores, rooms that they were never inside, and those that they have forgotten. */
async function isTold(api: Api, userId: UserId, roomId: RoomId, ignored: ReadonlySet<string>): Promise<boolean> {
  const member = api.rooms.state(roomId)?.get('m.room.member', userId)
  const membership = ownString(member?.pdu.content, 'membership')
  if (membership === 'join') return true
  if (membership === 'invite') return member !== undefined && !isInviteBy(ignored, userId, member)
  return !api.conversation.forgotten.has(userId, roomId) && (await api.sync.visibility.lastStay(roomId, userId)).kind === 'ended'
}

function isInviteBy(ignored: ReadonlySet<string>, userId: UserId, { pdu }: StoredEvent): boolean {
  return pdu.type === 'm.room.member' && pdu.state_key === userId && pdu.content['membership'] === 'invite' && ignored.has(pdu.sender)
}

async function anyVisibleEvent(api: Api, session: Session, text: string): Promise<StoredEvent> {
  const unknown = new MatrixError(404, 'M_NOT_FOUND', 'No such event, or not one that you may see')
  const eventId = parseEventId(text)
  const event = eventId === undefined ? undefined : await api.rooms.event(eventId)
  if (event === undefined) throw unknown
  try {
    return await visibleEvent(api, session, event.roomId, event.eventId)
  } catch (error) {
    // Who is not in its room must not learn that the event is there.
    throw error instanceof MatrixError ? unknown : error
  }
}
