import { ownString, type RoomId } from '@kith/matrix-protocol'
import type { Session } from '../accounts/accounts.ts'
import { withoutIgnored } from '../accounts/ignored-users.ts'
import type { Api } from './endpoint.ts'
import { readHistory } from './read-history.ts'
import { readable, readableStateIds } from './room-access.ts'

/** What one answer tells of a room: its state, its last messages and what the user keeps for it. Of a room that was left, as it was then. */
export async function describeRoom(api: Api, session: Session, roomId: RoomId, limit: number, signal: AbortSignal): Promise<object> {
  const member = api.rooms.state(roomId)?.get('m.room.member', session.userId)
  const ignored = await api.conversation.ignoredUsers.of(session.userId)
  const isIgnoredInvite = ownString(member?.pdu.content, 'membership') === 'invite' && ignored.has(member?.pdu.sender ?? '')
  const membership = isIgnoredInvite ? undefined : ownString(member?.pdu.content, 'membership')
  if (membership === 'invite' && member !== undefined) {
    const [invite] = await api.sync.events.withRoomId([member], session)
    return { room_id: roomId, membership, invite }
  }
  const accountData = await api.accountData.all(session.userId, roomId)
  return {
    room_id: roomId,
    ...(membership === undefined || membership === 'knock' ? {} : { membership }),
    messages: await lastMessages(api, session, roomId, { limit, ignored }, signal),
    state: await stateOf(api, session, roomId),
    visibility: api.directory.published.has(roomId) ? 'public' : 'private',
    account_data: accountData.map(({ type, content }) => ({ type, content })),
  }
}

async function lastMessages(
  api: Api,
  session: Session,
  roomId: RoomId,
  { limit, ignored }: { readonly limit: number; readonly ignored: ReadonlySet<string> },
  signal: AbortSignal,
): Promise<object> {
  const { leftBy, upTo } = await readable(api, session, roomId)
  const end = leftBy === undefined ? (await api.rooms.timelineSince(roomId, upTo, 0, upTo)).prevBatch : api.rooms.tokensAround(leftBy).after
  if (limit === 0) return { start: end, end, chunk: [] }
  const page = await readHistory(api, roomId, { from: end, direction: 'b', limit }, signal)
  const visible = await api.sync.visibility.filter(withoutIgnored(page.events, ignored), session.userId)
  const chunk = await api.sync.events.withRoomId(visible.toReversed(), session)
  return { ...(page.end === undefined ? {} : { start: page.end }), end, chunk }
}

async function stateOf(api: Api, session: Session, roomId: RoomId): Promise<readonly object[]> {
  const events = await api.rooms.events([...(await readableStateIds(api, session, roomId)).values()])
  return api.sync.events.withRoomId(
    events.filter((event) => event !== undefined),
    session,
  )
}
