import {
  type JsonObject,
  ownString,
  type RoomId,
  type ServerName,
  serverNameOf,
  serverNameOfRoomId,
  unreachable,
  type UserId,
} from '@kith/matrix-protocol'
import { existsOrIsMade } from '../app-services/exists-or-is-made.ts'
import { limits } from '../limits.ts'
import { MatrixError } from '../matrix-error.ts'
import type { Api } from './endpoint.ts'
import { remoteError, sentEventId } from './outcomes.ts'
import { inheritFromPredecessor } from './successor-settings.ts'

/** Content of a membership event of a local user, with the profile of now. */
export async function memberContent(api: Api, userId: UserId, membership: string, extra: JsonObject): Promise<JsonObject> {
  const profile = (await api.accounts.profile(userId)) ?? {}
  const displayname = ownString(profile, 'displayname')
  const avatarUrl = ownString(profile, 'avatar_url')
  return {
    ...extra,
    ...(displayname === undefined ? {} : { displayname }),
    ...(avatarUrl === undefined ? {} : { avatar_url: avatarUrl }),
    membership,
  }
}

export interface RoomTarget {
  readonly roomId: RoomId
  /** Servers that may know the room. */
  readonly via: readonly ServerName[]
  readonly reason: string | undefined
}

/** Joins a room: by an own event where this server is in the room and can let the user in, otherwise with other servers' help. */
export async function joinRoom(api: Api, userId: UserId, target: RoomTarget, signal: AbortSignal): Promise<RoomId> {
  const { roomId } = target
  if (api.rooms.state(roomId)?.membershipOf(userId) === 'join') return roomId
  const content = await memberContent(api, userId, 'join', reasonOf(target))
  const via = otherServers(api, userId, target)
  const outcome = await api.federation.joinRoom({ roomId, userId, via, content }, signal)
  if (outcome.kind !== 'joined') throw remoteError(outcome)
  await inheritFromPredecessor(api, userId, outcome.roomId)
  return outcome.roomId
}

/** Asks the members of a room to be let in. */
export async function knockAtRoom(api: Api, userId: UserId, target: RoomTarget, signal: AbortSignal): Promise<RoomId> {
  const { roomId } = target
  const content = await memberContent(api, userId, 'knock', reasonOf(target))
  if (api.rooms.state(roomId)?.isJoined(api.serverName) === true) {
    sentEventId(await api.rooms.send({ roomId, sender: userId, type: 'm.room.member', stateKey: userId, content }, signal))
    return roomId
  }
  // An invite answers every knock; the room would refuse this one.
  if (api.rooms.invite(roomId, userId) !== undefined) throw new MatrixError(403, 'M_FORBIDDEN', 'You are invited to this room')
  const outcome = await api.federation.knockRoom({ roomId, userId, via: otherServers(api, userId, target), content }, signal)
  if (outcome.kind !== 'knocked') throw remoteError(outcome)
  return outcome.roomId
}

/** @throws MatrixError M_NOT_FOUND when neither this server nor another one that is known has the room. */
function otherServers(api: Api, userId: UserId, { roomId, via }: RoomTarget): ServerName[] {
  const state = api.rooms.state(roomId)
  const waiting = api.rooms.invite(roomId, userId) ?? api.rooms.knock(roomId, userId)
  const founder = serverNameOfRoomId(roomId)
  const candidates = new Set<ServerName>([...via, ...(waiting?.via ?? [])])
  if (waiting !== undefined) candidates.add(serverNameOf(waiting.event.sender))
  for (const server of state?.joinedServers() ?? []) candidates.add(server)
  if (founder !== undefined) candidates.add(founder)
  const isHeld = candidates.delete(api.serverName) && state?.isJoined(api.serverName) === true
  if (candidates.size === 0 && !isHeld) {
    throw new MatrixError(404, 'M_NOT_FOUND', 'This room is not known here, and no server that might know it was named')
  }
  return [...candidates].slice(0, limits.implementation.serversNamedMax)
}

/** Leaves a room, declines an invite to it, or takes a knock at it back: of the latter two nothing is left here, whoever can be reached. */
export async function leaveRoom(api: Api, userId: UserId, roomId: RoomId, reason: string | undefined, signal: AbortSignal): Promise<void> {
  const content = { ...(reason === undefined ? {} : { reason }), membership: 'leave' }
  const state = api.rooms.state(roomId)
  const membership = state?.membershipOf(userId)
  if (state?.isJoined(api.serverName) === true && membership !== undefined) {
    if (membership === 'leave') return
    sentEventId(await api.rooms.send({ roomId, sender: userId, type: 'm.room.member', stateKey: userId, content }, signal))
    return
  }
  if (api.rooms.invite(roomId, userId) !== undefined || api.rooms.knock(roomId, userId) !== undefined) {
    await api.federation.leaveRoom({ roomId, userId, content }, signal)
    return
  }
  if (membership !== 'leave') throw new MatrixError(404, 'M_NOT_FOUND', 'You are not in this room and not invited to it')
}

function reasonOf({ reason }: RoomTarget): JsonObject {
  return reason === undefined ? {} : { reason }
}

/** Invites a user of this or of another server. */
export async function inviteUser(
  api: Api,
  sender: UserId,
  invite: { readonly roomId: RoomId; readonly invitee: UserId; readonly content: JsonObject },
  signal: AbortSignal,
): Promise<void> {
  const { roomId, invitee } = invite
  if (serverNameOf(invitee) === api.serverName) {
    if (!(await existsOrIsMade(api, invitee, signal))) throw new MatrixError(404, 'M_NOT_FOUND', 'There is no such user')
    if (await api.accountData.blocksInvites(invitee)) throw new MatrixError(403, 'M_INVITE_BLOCKED', 'This user takes no invites')
    const content = await memberContent(api, invitee, 'invite', invite.content)
    sentEventId(await api.rooms.send({ roomId, sender, type: 'm.room.member', stateKey: invitee, content }, signal))
    return
  }
  const outcome = await api.federation.invite({ roomId, sender, invitee, content: { ...invite.content, membership: 'invite' } }, signal)
  switch (outcome.kind) {
    case 'invited':
      return
    case 'denied':
      throw new MatrixError(403, 'M_FORBIDDEN', `The rules of the room forbid this: ${outcome.rule}`)
    case 'refused':
    case 'unreachable':
      throw remoteError(outcome)
    default:
      unreachable(outcome)
  }
}

/**
 * A join that somebody vouches for needs the signature of their server. Whoever is inside needs nobody's word, and events that this
 * server makes alone bear no signature but its own: with the name left in, every other server would drop them.
 */
export function withoutVoucher(content: JsonObject): JsonObject {
  const { join_authorised_via_users_server: _voucher, ...rest } = content
  return rest
}

/** Tells every joined room of a user's changed profile. Rooms whose rules forbid it keep the old one. */
export async function propagateProfile(api: Api, userId: UserId, signal: AbortSignal): Promise<void> {
  const profile = (await api.accounts.profile(userId)) ?? {}
  for (const roomId of api.rooms.joinedRooms(userId)) {
    const current = api.rooms.state(roomId)?.get('m.room.member', userId)
    if (current === undefined) continue
    const { displayname: _displayname, avatar_url: _avatarUrl, ...rest } = withoutVoucher(current.pdu.content)
    const displayname = ownString(profile, 'displayname')
    const avatarUrl = ownString(profile, 'avatar_url')
    if (displayname === current.pdu.content['displayname'] && avatarUrl === current.pdu.content['avatar_url']) continue
    const content = {
      ...rest,
      ...(displayname === undefined ? {} : { displayname }),
      ...(avatarUrl === undefined ? {} : { avatar_url: avatarUrl }),
    }
    await api.rooms.send({ roomId, sender: userId, type: 'm.room.member', stateKey: userId, content }, signal)
  }
}
