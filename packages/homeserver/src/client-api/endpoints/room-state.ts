import { type EventId, ownString, parseUserId, type RoomId, splitStateKey, type StateKey } from '@kith/matrix-protocol'
import type { Session } from '../../accounts/accounts.ts'
import { MatrixError } from '../../matrix-error.ts'
import { isHistoryToken, type RoomState, type StoredEvent } from '../../rooms/index.ts'
import { parseSyncToken } from '../../sync/sync-token.ts'
import { type Api, endpoint } from '../endpoint.ts'
import { choiceFrom, roomIdFrom } from '../parameters.ts'
import { joinedState, readableState, readableStateIds, waitForMembers } from '../room-access.ts'

const memberships = ['join', 'invite', 'knock', 'leave', 'ban'] as const

export const roomStateEndpoints = [
  endpoint({
    method: 'GET',
    path: '/rooms/:roomId/state',
    async handle(api, { params, session, signal }) {
      const roomId = roomIdFrom(params.roomId)
      await readableState(api, session, roomId)
      await waitForMembers(api, roomId, signal)
      const ids = await readableStateIds(api, session, roomId)
      return api.sync.events.withRoomId(await load(api, ids.values()), session)
    },
  }),
  ...['/rooms/:roomId/state/:type/:stateKey', '/rooms/:roomId/state/:type'].map((path) =>
    endpoint({
      method: 'GET',
      path: path as '/rooms/:roomId/state/:type/:stateKey',
      async handle(api, { params, session, query }) {
        const format = choiceFrom(query, 'format', ['content', 'event'])
        const state = await readableState(api, session, roomIdFrom(params.roomId))
        const eventId = await state.idOf(params.type, params.stateKey ?? '')
        const event = eventId === undefined ? undefined : await api.rooms.event(eventId)
        if (event === undefined) throw new MatrixError(404, 'M_NOT_FOUND', 'The room has no such state')
        if (format !== 'event') return event.pdu.content
        const [formatted] = await api.sync.events.withRoomId([event], session)
        return formatted ?? {}
      },
    }),
  ),
  endpoint({
    method: 'GET',
    path: '/rooms/:roomId/members',
    async handle(api, { params, session, query, signal }) {
      const roomId = roomIdFrom(params.roomId)
      await readableState(api, session, roomId)
      await waitForMembers(api, roomId, signal)
      const [wanted, unwanted] = [choiceFrom(query, 'membership', memberships), choiceFrom(query, 'not_membership', memberships)]
      const at = await positionFrom(api, roomId, query.get('at'))
      // Nobody's members of a moment before they were known: whoever asks may be about to encrypt for them.
      const isKnownAt = at !== undefined && !(await api.sync.lackedMembersAt(roomId, session.userId, at))
      const state = await readableState(api, session, roomId, isKnownAt ? at : undefined)
      const members = await load(api, memberIds(await state.ids()))
      const chosen = members.filter((member) => {
        const membership = ownString(member.pdu.content, 'membership')
        return (wanted === undefined || membership === wanted) && (unwanted === undefined || membership !== unwanted)
      })
      return { chunk: await api.sync.events.withRoomId(chosen, session) }
    },
  }),
  endpoint({
    method: 'GET',
    path: '/rooms/:roomId/joined_members',
    async handle(api, { params, session, signal }) {
      const roomId = roomIdFrom(params.roomId)
      stateForInsider(api, session, roomId)
      await waitForMembers(api, roomId, signal)
      const members = [...stateForInsider(api, session, roomId).members('join')]
      const described = members.map(({ userId, event }) => {
        const displayName = ownString(event.pdu.content, 'displayname')
        const avatarUrl = ownString(event.pdu.content, 'avatar_url')
        const named = displayName === undefined ? {} : { display_name: displayName }
        return [userId, { ...named, ...(avatarUrl === undefined ? {} : { avatar_url: avatarUrl }) }] as const
      })
      return { joined: Object.fromEntries(described) }
    },
  }),
]

/** For an application service it is enough that any of its users is in the room. */
function stateForInsider(api: Api, session: Session, roomId: RoomId): RoomState {
  const service = api.appServices.get(session.appServiceId)
  const state = service === undefined ? undefined : api.rooms.state(roomId)
  const isInside =
    state
      ?.joinedUsersOf(api.serverName)
      .values()
      .some((userId) => service?.hasUser(userId) === true) === true
  return state !== undefined && isInside ? state : joinedState(api, session, roomId)
}

/**
 * `at` is a token of sync, or one of history such as the `prev_batch` of a room: the members when what stands before it had come.
 * Undefined, the members now, where that came by backfill and so at no moment.
 */
async function positionFrom(api: Api, roomId: RoomId, at: string | null): Promise<number | undefined> {
  if (at === null || at === '') return undefined
  const position = parseSyncToken(at)?.position
  if (position !== undefined) return position
  if (!isHistoryToken(at)) throw new MatrixError(400, 'M_INVALID_PARAM', 'Not a token of this server')
  const [before] = (await api.rooms.page(roomId, { from: at, direction: 'b', limit: 1 })).events
  return before?.position
}

function memberIds(ids: ReadonlyMap<StateKey, EventId>): EventId[] {
  return [...ids].flatMap(([key, eventId]) => {
    const { type, stateKey } = splitStateKey(key)
    return type === 'm.room.member' && parseUserId(stateKey) !== undefined ? [eventId] : []
  })
}

async function load(api: Api, ids: Iterable<EventId>): Promise<StoredEvent[]> {
  return (await api.rooms.events([...ids])).filter((event) => event !== undefined)
}
