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
import { MatrixError } from '../matrix-error.ts'
import type { Api } from './endpoint.ts'
import { remoteError, sentEventId } from './outcomes.ts'

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

/** Joins a room: by an own event where this server is in the room and its rules allow that, otherwise with other servers' help. */
export async function joinRoom(
  api: Api,
  userId: UserId,
  target: { readonly roomId: RoomId; readonly via: readonly ServerName[]; readonly reason: string | undefined },
  signal: AbortSignal,
): Promise<RoomId> {
  const { roomId } = target
  const state = api.rooms.state(roomId)
  if (state?.membershipOf(userId) === 'join') return roomId
  const content = await memberContent(api, userId, 'join', target.reason === undefined ? {} : { reason: target.reason })
  if (state?.isJoined(api.serverName) === true) {
    const outcome = await api.rooms.send({ roomId, sender: userId, type: 'm.room.member', stateKey: userId, content }, signal)
    const others = [...state.joinedServers()].filter((server) => server !== api.serverName)
    // Restricted rooms need the signature of a server whose users may invite.
    if (outcome.kind !== 'denied' || others.length === 0) {
      sentEventId(outcome)
      return roomId
    }
  }
  const via = joinCandidates(api, userId, roomId, target.via)
  if (via.length === 0) throw new MatrixError(404, 'M_NOT_FOUND', 'This room is not known here, and no server that might know it was named')
  const joined = await api.federation.joinRoom({ roomId, userId, via, content }, signal)
  if (joined.kind !== 'joined') throw remoteError(joined)
  return joined.roomId
}

function joinCandidates(api: Api, userId: UserId, roomId: RoomId, via: readonly ServerName[]): ServerName[] {
  const inviter = api.rooms.invite(roomId, userId)?.event.sender
  const candidates = new Set<ServerName>([...via, ...(api.rooms.state(roomId)?.joinedServers() ?? [])])
  if (inviter !== undefined) candidates.add(serverNameOf(inviter))
  const founder = serverNameOfRoomId(roomId)
  if (founder !== undefined) candidates.add(founder)
  candidates.delete(api.serverName)
  return [...candidates].slice(0, 20)
}

/** Leaves a room, or declines an invite to it. An invite whose server cannot be reached is gone here all the same. */
export async function leaveRoom(api: Api, userId: UserId, roomId: RoomId, reason: string | undefined, signal: AbortSignal): Promise<void> {
  const extra = reason === undefined ? {} : { reason }
  const state = api.rooms.state(roomId)
  const membership = state?.membershipOf(userId)
  if (state?.isJoined(api.serverName) === true && membership !== undefined) {
    if (membership === 'leave') return
    const content = { ...extra, membership: 'leave' }
    sentEventId(await api.rooms.send({ roomId, sender: userId, type: 'm.room.member', stateKey: userId, content }, signal))
    return
  }
  if (api.rooms.invite(roomId, userId) !== undefined) {
    const outcome = await api.federation.leaveRoom({ roomId, userId, content: { ...extra, membership: 'leave' } }, signal)
    if (outcome.kind !== 'left') await api.rooms.dropInvite(roomId, userId, signal)
    return
  }
  if (membership !== 'leave') throw new MatrixError(404, 'M_NOT_FOUND', 'You are not in this room and not invited to it')
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
    if (!api.accounts.exists(invitee)) throw new MatrixError(404, 'M_NOT_FOUND', 'There is no such user')
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

/** Tells every joined room of a user's changed profile. Rooms whose rules forbid it keep the old one. */
export async function propagateProfile(api: Api, userId: UserId, signal: AbortSignal): Promise<void> {
  const profile = (await api.accounts.profile(userId)) ?? {}
  for (const roomId of api.rooms.joinedRooms(userId)) {
    const current = api.rooms.state(roomId)?.get('m.room.member', userId)
    if (current === undefined) continue
    const { displayname: _displayname, avatar_url: _avatarUrl, ...rest } = current.pdu.content
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
