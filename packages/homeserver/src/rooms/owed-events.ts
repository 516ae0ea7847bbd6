import { type EventId, type ServerName, serverNameOf } from '@kith/matrix-protocol'
import type { StorageReader } from '../ports/storage.ts'
import { timelineTables } from '../timeline/index.ts'
import { findBeside } from './dag-walks.ts'
import type { RoomDraft } from './room-draft.ts'
import { memberOf } from './room-state.ts'
import type { StoredEvent } from './stored-event.ts'

/** Events that a server has to receive although it was not in the room when they were made. */
export interface OwedEvents {
  readonly server: ServerName
  /** Oldest first. */
  readonly eventIds: readonly EventId[]
}

/**
 * What this server owes to one that comes in by a join. Whoever makes an event brings it to the servers that it knows inside. One whose join
 * lies beside the event was not among them, will meet what builds upon it, and perhaps reaches nobody who has it but by way of relays: so
 * each server brings its own, and those of servers that have left.
 * @param others heads of the room that the join does not follow.
 * @param storage what waits for the server already does so once, however often it leaves and joins.
 */
export async function owedEvents(
  draft: RoomDraft,
  join: StoredEvent,
  others: readonly EventId[],
  storage: StorageReader,
): Promise<OwedEvents | undefined> {
  const member = memberOf(join)
  if (member?.membership !== 'join' || others.length === 0) return undefined
  const server = serverNameOf(member.userId)
  if (server === draft.serverName || draft.current.isJoined(server)) return undefined
  const isOwed = ({ status, pdu }: StoredEvent): boolean => {
    const author = serverNameOf(pdu.sender)
    return status === 'accepted' && author !== server && (author === draft.serverName || !draft.current.isJoined(author))
  }
  const owed = (await findBeside(draft.events, others, join.pdu)).filter(isOwed)
  const keys = owed.map(({ eventId }) => [eventId, server] as const)
  const waiting = await storage.getMany(timelineTables.outboxByEvent, keys)
  return { server, eventIds: owed.filter((_, index) => waiting[index] === undefined).map(({ eventId }) => eventId) }
}
