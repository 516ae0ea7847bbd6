import type { EventId, RoomId, UserId } from '../ids/ids.ts'
import type { UnhashedPdu } from './pdu.ts'

/** For tests: ids that parse. */
export const someRoomId = `!${'R'.repeat(43)}` as RoomId
export const oldRoomId = '!room:example.org' as RoomId
export const alice = '@alice:example.org' as UserId

export function someEventId(character: string): EventId {
  return `$${character.repeat(43)}` as EventId
}

/** For tests: a well-formed event of any version. */
export function somePdu(changes: Partial<UnhashedPdu> = {}): UnhashedPdu {
  return {
    type: 'm.room.message',
    sender: alice,
    room_id: someRoomId,
    origin_server_ts: 1_700_000_000_000,
    depth: 4,
    prev_events: [someEventId('p')],
    auth_events: [someEventId('a'), someEventId('b')],
    content: { msgtype: 'm.text', body: 'hello' },
    ...changes,
  }
}
