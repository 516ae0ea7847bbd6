import type { MatrixClient, Room } from 'matrix-js-sdk'
import type { Invite, RoomList, RoomSummary } from './chat-model.ts'
import { nameOfUserId } from './contact-link.ts'
import { directPeers } from './direct-chats.ts'
import { chatLimits } from './limits.ts'
import type { OutboxItem } from './outbox.ts'
import { nameIn, previewOf, timelineEventOf } from './room-events.ts'

/** Invites first come first, rooms by their latest message. */
export function roomListOf(client: MatrixClient, ownUserId: string, outbox: readonly OutboxItem[]): RoomList {
  const peers = directPeers(client)
  const rooms = client.getRooms()
  return {
    invites: rooms.filter((room) => room.getMyMembership() === 'invite').map((room) => inviteOf(room, ownUserId)),
    rooms: rooms
      .filter((room) => room.getMyMembership() === 'join')
      .map((room) => summaryOf(client, room, ownUserId, peers.get(room.roomId), outbox))
      .toSorted((a, b) => b.lastActivityMs - a.lastActivityMs || a.roomId.localeCompare(b.roomId)),
  }
}

/** The room that the tombstone of this one points to, and the server that closed it: it knows the new room. */
export function replacementOf(room: Room): { readonly roomId: string; readonly server: string } | undefined {
  const tombstone = room.currentState.getStateEvents('m.room.tombstone', '')
  const roomId: unknown = tombstone?.getContent()['replacement_room']
  const sender = tombstone?.getSender() ?? ''
  if (typeof roomId !== 'string' || !roomId.startsWith('!')) return undefined
  return { roomId, server: sender.slice(sender.indexOf(':') + 1) }
}

/** The other person of a room of two, whether it was begun as a direct chat or not. */
function otherMember(room: Room, ownUserId: string): string | undefined {
  const others = [...room.getJoinedMembers(), ...room.getMembersWithMembership('invite')].filter((member) => member.userId !== ownUserId)
  return others.length === 1 ? others[0]?.userId : undefined
}

function inviteOf(room: Room, ownUserId: string): Invite {
  const event = room.getMember(ownUserId)?.events.member
  const inviterId = event?.getSender() ?? ''
  const inviterName = inviterId === '' ? 'Somebody' : nameIn(room, inviterId)
  const direct = event?.getContent()['is_direct'] === true
  return { roomId: room.roomId, name: direct ? inviterName : room.name, inviterId, inviterName, direct }
}

function summaryOf(
  client: MatrixClient,
  room: Room,
  ownUserId: string,
  directPeer: string | undefined,
  outbox: readonly OutboxItem[],
): RoomSummary {
  const events = room.getLiveTimeline().getEvents()
  const last = lastShown(client, room, ownUserId)
  const unsent = outbox.findLast(({ entry }) => entry.roomId === room.roomId)
  const peerId = otherMember(room, ownUserId) ?? directPeer
  return {
    roomId: room.roomId,
    name: directPeer === undefined ? room.name : directName(room, directPeer),
    peerId,
    encrypted: room.hasEncryptionStateEvent(),
    unread: unreadOf(room, ownUserId),
    lastActivityMs: Math.max(unsent?.entry.writtenAtMs ?? 0, last?.atMs ?? events.at(-1)?.getTs() ?? 0),
    preview: unsent === undefined ? (last === undefined ? '' : previewOf(last)) : `You: ${unsent.entry.text.slice(0, 200)}`,
    awaitingInvited: room.getJoinedMemberCount() < 2 && room.getInvitedMemberCount() > 0,
    movedTo: replacementOf(room)?.roomId,
  }
}

function directName(room: Room, peerId: string): string {
  const others = room.getInvitedAndJoinedMemberCount()
  return others > 2 ? room.name : room.getMember(peerId) === null ? nameOfUserId(peerId) : nameIn(room, peerId)
}

/** The latest message, or the latest notice in a room without messages. */
function lastShown(client: MatrixClient, room: Room, ownUserId: string) {
  let notice: ReturnType<typeof timelineEventOf>
  for (const event of room.getLiveTimeline().getEvents().toReversed()) {
    const row = timelineEventOf(event, room, ownUserId)
    if (row?.kind === 'message') {
      if (event.shouldAttemptDecryption()) void client.decryptEventIfNeeded(event)
      return row
    }
    notice ??= row
  }
  return notice
}

/** Messages of others after the last one that was read, or written, here. */
function unreadOf(room: Room, ownUserId: string): number {
  const readUpTo = room.getEventReadUpTo(ownUserId)
  let unread = 0
  for (const event of room.getLiveTimeline().getEvents().toReversed()) {
    if (event.getId() === readUpTo || unread >= chatLimits.unreadCountMax) break
    const row = timelineEventOf(event, room, ownUserId)
    if (row?.kind !== 'message') continue
    if (row.own) break
    unread += 1
  }
  return unread
}
