import type { MatrixClient, Room } from 'matrix-js-sdk'

/** Room id → the person it is a direct chat with, as the account data say. */
export function directPeers(client: MatrixClient): Map<string, string> {
  const peers = new Map<string, string>()
  for (const [userId, roomIds] of Object.entries(directContent(client))) {
    for (const roomId of roomIds) peers.set(roomId, userId)
  }
  return peers
}

/** The encrypted chat that both are in, or are asked to. */
export function existingDirectChat(client: MatrixClient, userId: string): Room | undefined {
  return client
    .getRooms()
    .filter((room) => room.getMyMembership() === 'join' && isBetween(client, room, userId) && room.hasEncryptionStateEvent())
    .toSorted((a, b) => b.getLastActiveTimestamp() - a.getLastActiveTimestamp())[0]
}

/** An invite by this person to a chat of two. */
export function pendingInviteFrom(client: MatrixClient, userId: string): Room | undefined {
  const ownUserId = client.getSafeUserId()
  return client.getRooms().find((room) => {
    const event = room.getMember(ownUserId)?.events.member
    return room.getMyMembership() === 'invite' && event?.getSender() === userId && event.getContent()['is_direct'] === true
  })
}

export async function createDirectChat(client: MatrixClient, userId: string): Promise<string> {
  const { room_id: roomId } = await client.createRoom({
    // The SDK declares the preset as an enum, whose values are not loaded with its types.
    preset: 'trusted_private_chat' as Parameters<MatrixClient['createRoom']>[0]['preset'] & string,
    is_direct: true,
    invite: [userId],
    initial_state: [{ type: 'm.room.encryption', state_key: '', content: { algorithm: 'm.megolm.v1.aes-sha2' } }],
  })
  return roomId
}

/** Notes in the account data that a room is a direct chat with somebody. */
export async function markDirect(client: MatrixClient, roomId: string, userId: string): Promise<void> {
  const content = directContent(client)
  const roomIds = content[userId] ?? []
  if (roomIds.includes(roomId)) return
  // Not the method that waits for the sync to bring it back: nobody needs to wait for that.
  await client.setAccountDataRaw('m.direct' as Parameters<MatrixClient['setAccountDataRaw']>[0], {
    ...content,
    [userId]: [...roomIds, roomId],
  })
}

function isBetween(client: MatrixClient, room: Room, userId: string): boolean {
  const membership = room.getMember(userId)?.membership
  if (membership !== 'join' && membership !== 'invite') return false
  return room.getInvitedAndJoinedMemberCount() === 2 && userId !== client.getUserId()
}

function directContent(client: MatrixClient): Record<string, string[]> {
  const content: unknown = client.getAccountData('m.direct' as Parameters<MatrixClient['getAccountData']>[0])?.getContent()
  if (typeof content !== 'object' || content === null) return {}
  const rooms: Record<string, string[]> = {}
  for (const [userId, roomIds] of Object.entries(content)) {
    if (Array.isArray(roomIds)) rooms[userId] = roomIds.filter((roomId) => typeof roomId === 'string')
  }
  return rooms
}
