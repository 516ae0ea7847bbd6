import type { EventId, RoomId, UserId } from '../ids/ids.ts'
import { roomVersion, type RoomVersion } from '../room-versions/room-version.ts'
import type { EventReference, UnhashedPdu } from './pdu.ts'

/** For tests: ids that parse. */
export const someRoomId = `!${'R'.repeat(43)}` as RoomId
export const oldRoomId = '!room:example.org' as RoomId
export const alice = '@alice:example.org' as UserId

/** Of the room versions whose event ids are hashes, unless another is given. */
export function someEventId(character: string, version?: RoomVersion): EventId {
  return (version?.eventIds === 'given' ? `$${character}:example.org` : `$${character.repeat(43)}`) as EventId
}

export function someReference(character: string, version?: RoomVersion): EventReference {
  const eventId = someEventId(character, version)
  return version?.eventReferences === 'ids-with-hashes' ? [eventId, { sha256: character.repeat(43) }] : eventId
}

const newest = roomVersion('12') as RoomVersion

/** For tests: a well-formed event of the version. */
export function somePdu(changes: Partial<UnhashedPdu> = {}, version = newest): UnhashedPdu {
  return {
    type: 'm.room.message',
    sender: alice,
    ...(version.eventIds === 'given' ? { event_id: someEventId('e', version) } : {}),
    room_id: version.roomIdIsCreateEvent ? someRoomId : oldRoomId,
    origin_server_ts: 1_700_000_000_000,
    depth: 4,
    prev_events: [someReference('p', version)],
    auth_events: [someReference('a', version), someReference('b', version)],
    content: { msgtype: 'm.text', body: 'hello' },
    ...changes,
  }
}
