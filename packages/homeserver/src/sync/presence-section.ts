import type { JsonObject, UserId } from '@kith/matrix-protocol'
import { type Presence, presenceContent } from '../ephemeral/presence.ts'
import type { Clock } from '../ports/clock.ts'
import type { Rooms } from '../rooms/index.ts'
import { sharingOf } from './device-list-section.ts'
import type { SyncRequest } from './room-sections.ts'
import type { SharingChanges } from './sharing-changes.ts'

/**
 * Who of those with whom the reader shares a room came, went or said something of themselves. Of those who are new to the reader, all at
 * first and later those with whom a room came to be shared, who is there.
 */
export function presenceEvents(
  { presence, rooms, clock }: { readonly presence: Presence; readonly rooms: Rooms; readonly clock: Clock },
  { reader, after, ignored, filter }: SyncRequest,
  { touched }: SharingChanges,
): JsonObject[] {
  const wish = filter.presence
  const users = after === undefined ? presence.present() : withNewcomers(presence, presence.changedAfter(after), touched)
  const wanted = users.filter((sender) => !ignored.has(sender) && wish.accepts({ type: 'm.presence', sender }))
  if (wanted.length === 0) return []
  const shown = wanted.filter(sharingOf(rooms, reader.userId, wanted.length))
  const now = clock.now()
  return (wish.limit === undefined ? shown : shown.slice(0, wish.limit)).flatMap((sender) => {
    const info = presence.get(sender)
    return info === undefined ? [] : [{ type: 'm.presence', sender, content: presenceContent(info, now) }]
  })
}

function withNewcomers(presence: Presence, changed: readonly UserId[], touched: ReadonlySet<UserId>): readonly UserId[] {
  if (touched.size === 0) return changed
  return [...new Set([...changed, ...presence.present().filter((userId) => touched.has(userId))])]
}
