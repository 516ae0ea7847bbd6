import type { EventId, JsonObject, UserId } from '@kith/matrix-protocol'
import type { Rooms, StoredEvent } from '../rooms/index.ts'
import { membershipOf } from './room-state-changes.ts'
import type { Visibility } from './visibility.ts'

interface Parts {
  readonly rooms: Rooms
  readonly visibility: Visibility
}

/**
 * What `unsigned` says of the state around each of these events: what a state event replaced, and what the reader was in the room. Left
 * out where the state is not known, as around some backfilled events.
 * @see https://spec.matrix.org/latest/client-server-api/#definition-clientevent_unsigneddata
 */
export async function readSurroundings(
  { rooms, visibility }: Parts,
  events: readonly StoredEvent[],
  userId: UserId,
): Promise<ReadonlyMap<EventId, JsonObject>> {
  const replacedIds = new Map<EventId, EventId>()
  const memberIds = new Map<EventId, EventId | undefined>()
  /** Most events of a page share the state before them. */
  const memberIdsByState = new Map<string, Promise<EventId | undefined>>()
  // Side by side: each look-up waits for a few reads that follow each other.
  await Promise.all(
    events.map(async (event) => {
      const { eventId, pdu, stateBefore, stateAfter } = event
      if (pdu.state_key !== undefined && stateBefore !== undefined) {
        const replaced = await rooms.stateIdBefore(event, pdu.type, pdu.state_key)
        if (replaced !== undefined) replacedIds.set(eventId, replaced)
      }
      // Only the own membership event makes a difference between the two, and what that says is its own content.
      const state = stateBefore ?? stateAfter
      if (state === undefined || isMembershipOf(event, userId)) return
      const memberId = memberIdsByState.getOrInsertComputed(`${event.roomId} ${state}`, async () =>
        rooms.stateIdBefore({ ...event, stateBefore: state }, 'm.room.member', userId),
      )
      memberIds.set(eventId, await memberId)
    }),
  )
  const wanted = [...new Set([...replacedIds.values(), ...[...memberIds.values()].filter((id) => id !== undefined)])]
  const found = new Map((await rooms.events(wanted)).filter((event) => event !== undefined).map((event) => [event.eventId, event]))
  const replaced = [...new Set(replacedIds.values())].flatMap((eventId) => found.get(eventId) ?? [])
  const visible = new Set((await visibility.filter(replaced, userId)).map(({ eventId }) => eventId))
  return new Map(
    events.map((event) => {
      const replacedId = replacedIds.get(event.eventId)
      const content = replacedId !== undefined && visible.has(replacedId) ? found.get(replacedId)?.pdu.content : undefined
      const membership = isMembershipOf(event, userId) ? membershipOf(event) : membershipIn(memberIds, found, event.eventId)
      return [
        event.eventId,
        {
          ...(membership === undefined ? {} : { membership }),
          ...(replacedId === undefined ? {} : { replaces_state: replacedId }),
          ...(content === undefined ? {} : { prev_content: content }),
        },
      ]
    }),
  )
}

/** Whoever has no membership event is outside. */
function membershipIn(
  memberIds: ReadonlyMap<EventId, EventId | undefined>,
  found: ReadonlyMap<EventId, StoredEvent>,
  eventId: EventId,
): string | undefined {
  if (!memberIds.has(eventId)) return undefined
  const memberId = memberIds.get(eventId)
  return memberId === undefined ? 'leave' : membershipOf(found.get(memberId))
}

function isMembershipOf({ pdu }: StoredEvent, userId: UserId): boolean {
  return pdu.type === 'm.room.member' && pdu.state_key === userId
}
