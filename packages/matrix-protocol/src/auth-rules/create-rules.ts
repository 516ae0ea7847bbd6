import { type Pdu, prevEventIdsOf } from '../events/pdu.ts'
import { parseUserId, serverNameOf, serverNameOfRoomId } from '../ids/ids.ts'
import { ownMember } from '../json/json-value.ts'
import { type RoomVersion, supportedRoomVersions } from '../room-versions/room-version.ts'
import { allowed, type AuthOutcome, denied } from './auth-event.ts'

/** Rule 1: the event that makes a room. @see https://spec.matrix.org/latest/rooms/v12/#authorisation-rules */
export function authoriseCreate(pdu: Pdu, version: RoomVersion): AuthOutcome {
  // 1.1 Nothing comes before it.
  if (prevEventIdsOf(pdu).length > 0) return denied('create.prev-events')
  // 1.2 It is the source of the room id, so it cannot name one; before version 12 the room id belongs to the creator's server.
  if (version.roomIdIsCreateEvent) {
    if (pdu.room_id !== undefined) return denied('create.room-id')
  } else if (pdu.room_id === undefined || serverNameOfRoomId(pdu.room_id) !== serverNameOf(pdu.sender)) {
    return denied('create.room-id-domain')
  }
  // 1.3 The version must be one that the specification knows.
  const roomVersion = ownMember(pdu.content, 'room_version')
  if (roomVersion !== undefined && !supportedRoomVersions.some(({ id }) => id === roomVersion)) return denied('create.room-version')
  // 1.4 Version 12: further creators are user ids.
  if (version.additionalCreators) {
    const creators = ownMember(pdu.content, 'additional_creators')
    const isValid = creators === undefined || (Array.isArray(creators) && creators.every((user) => parseUserId(user) !== undefined))
    if (!isValid) return denied('create.additional-creators')
  }
  // 1.4 Up to version 10: the creator is named.
  if (version.creatorFrom === 'content' && ownMember(pdu.content, 'creator') === undefined) return denied('create.creator')
  // 1.5
  return allowed('create.allowed')
}
