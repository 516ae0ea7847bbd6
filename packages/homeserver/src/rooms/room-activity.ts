import type { StateRoot } from './state-trie.ts'
import type { StoredEvent } from './stored-event.ts'

export interface RoomActivity {
  /** The stream position of the last event or change of state. */
  readonly changedAt: number
  /** The stream position of the last event that people look for; undefined where there was none yet. */
  readonly bumpedAt: number | undefined
  readonly snapshot: StateRoot
}

/**
 * What lifts a room in lists of rooms.
 * @see https://github.com/matrix-org/matrix-spec-proposals/pull/4186 under `bump_stamp`; polls also by the name that clients still send
 */
const bumps: ReadonlySet<string> = new Set([
  'm.room.create',
  'm.room.message',
  'm.room.encrypted',
  'm.sticker',
  'm.call.invite',
  'm.poll.start',
  'org.matrix.msc3381.poll.start',
  'm.beacon_info',
])

export function isBump(event: StoredEvent | undefined): boolean {
  return event !== undefined && bumps.has(event.pdu.type)
}
