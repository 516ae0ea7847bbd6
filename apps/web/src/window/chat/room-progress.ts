import type { Room } from 'matrix-js-sdk'
import { deliveryOf } from './delivery-state.ts'
import type { DeliveryKnowledge } from './delivery-state.ts'
import type { OutboxItem } from './outbox.ts'
import { nameIn } from './room-events.ts'
import type { MessageProgress } from './timeline-items.ts'

/** The others of a room, as far as deliveries go. */
export interface Recipients {
  /** Nobody has joined but the reader. Known before all the names are. */
  readonly alone: boolean
  readonly joined: ReadonlyMap<string, readonly string[]>
  readonly invited: readonly string[]
}

/** Who else is in the room: names by server. */
export function recipientsOf(room: Room, ownUserId: string): Recipients {
  const joined = new Map<string, string[]>()
  for (const { userId } of room.getJoinedMembers()) {
    if (userId === ownUserId) continue
    const server = userId.slice(userId.indexOf(':') + 1)
    joined.set(server, [...(joined.get(server) ?? []), nameIn(room, userId)])
  }
  const invited = room.getMembersWithMembership('invite').map(({ userId }) => nameIn(room, userId))
  return { alone: room.getJoinedMemberCount() < 2, joined, invited }
}

export function progressOfItem(item: OutboxItem, recipients: Recipients, knowledge: DeliveryKnowledge): MessageProgress {
  const { entry, eventId } = item
  if (entry.failure !== undefined) return { kind: 'failed', reason: entry.failure, transactionId: entry.transactionId }
  return eventId === undefined ? { kind: 'sending' } : progressOf(eventId, recipients, knowledge)
}

/** Progress of an own message that the node has. */
export function progressOf(eventId: string, recipients: Recipients, knowledge: DeliveryKnowledge): MessageProgress {
  if (recipients.alone) return { kind: 'alone', invited: recipients.invited }
  const delivery = deliveryOf(knowledge, eventId)
  if (delivery === undefined) return { kind: 'unknown' }
  if (delivery.state === 'delivered') return { kind: 'delivered' }
  const servers = [...delivery.destinations.keys()].flatMap((server) => recipients.joined.get(server) ?? [])
  const names = servers.length === 0 ? [...recipients.joined.values()].flat() : servers
  return delivery.state === 'at_relay' ? { kind: 'at-relay', names } : { kind: 'waiting', names }
}
