import {
  type EventId,
  type JsonObject,
  ownString,
  redact,
  redactsOf,
  type RoomVersion,
  type ServerName,
  serverNameOf,
  type UserId,
} from '@kith/matrix-protocol'
import { limits } from '../../limits.ts'
import type { RoomState, StoredEvent } from '../../rooms/index.ts'
import { pduJson } from '../transaction.ts'
import type { ServeParts } from './serve-parts.ts'

/**
 * Events as another server in the room may see them: what it may not read comes redacted, so that the graph stays whole.
 * State events come as they are: every member gets the state of the room, and two members whose copies of it differ would never agree.
 * Rejected events are nobody's history and are left out.
 * @see https://spec.matrix.org/latest/client-server-api/#room-history-visibility
 */
export async function visibleEvents(
  parts: Pick<ServeParts, 'rooms'>,
  origin: ServerName,
  version: RoomVersion,
  events: readonly StoredEvent[],
): Promise<JsonObject[]> {
  const reader = new ReaderServer(parts, origin)
  const visible: JsonObject[] = []
  for (const event of events) {
    if (event.status === 'rejected') continue
    const readable = event.pdu.state_key !== undefined || (await reader.mayRead(event)) || (await mustLearn(parts, reader, event, version))
    visible.push(pduJson(readable ? event.pdu : redact(event.pdu, version)))
  }
  return visible
}

/**
 * Whether the event redacts what the reader may read, and would not say so any more in its redacted form, which before version 11 lacks
 * `redacts`. Who was out of the room when it came would keep for ever what its author took back. To clients it is told likewise: a
 * redacted event has it in `redacted_because`, whether or not they may see it by itself.
 * @see https://spec.matrix.org/latest/rooms/v11/#moving-the-redacts-property-of-mroomredaction-events-to-a-content-property
 */
async function mustLearn(
  { rooms }: Pick<ServeParts, 'rooms'>,
  reader: ReaderServer,
  { roomId, pdu }: StoredEvent,
  version: RoomVersion,
): Promise<boolean> {
  const targetId = redactsOf(pdu, version) as EventId | undefined
  if (targetId === undefined || redactsOf(redact(pdu, version), version) !== undefined) return false
  const target = await rooms.event(targetId)
  return target !== undefined && target.roomId === roomId && (target.pdu.state_key !== undefined || (await reader.mayRead(target)))
}

/** What one server may read, for one request: looks up single entries of the state before each event, and each state once. */
export class ReaderServer {
  readonly #parts: Pick<ServeParts, 'rooms'>
  readonly #server: ServerName
  readonly #answers = new Map<unknown, Promise<boolean>>()

  constructor(parts: Pick<ServeParts, 'rooms'>, server: ServerName) {
    this.#parts = parts
    this.#server = server
  }

  async mayRead(event: StoredEvent): Promise<boolean> {
    if (serverNameOf(event.pdu.sender) === this.#server) return true
    // Where the state at the event was never known, as with backfilled ones, the room's present rule stands in for it.
    if (event.stateBefore === undefined) return this.#mayReadNow(event)
    return this.#answers.getOrInsertComputed(event.stateBefore, async () => this.#mayReadAt(event))
  }

  #mayReadNow(event: StoredEvent): boolean {
    const state = this.#parts.rooms.state(event.roomId)
    if (state === undefined) return false
    const allowing = membershipsThatRead(state.get('m.room.history_visibility', ''))
    return allowing === 'all' || this.#members(state).some(({ membership }) => allowing.has(membership))
  }

  async #mayReadAt(event: StoredEvent): Promise<boolean> {
    const { rooms } = this.#parts
    const allowing = membershipsThatRead(await this.#stateEvent(event, 'm.room.history_visibility', ''))
    if (allowing === 'all') return true
    const state = rooms.state(event.roomId)
    // Whoever was a member at any time has an entry in the state of today.
    const members = state === undefined ? [] : this.#members(state)
    if (members.length > limits.implementation.membersLookedUpSinglyMax) {
      const before = await rooms.stateBefore(event.eventId)
      return before !== undefined && this.#members(before).some(({ membership }) => allowing.has(membership))
    }
    for (const { userId } of members) {
      const member = await this.#stateEvent(event, 'm.room.member', userId)
      if (allowing.has(ownString(member?.pdu.content, 'membership'))) return true
    }
    return false
  }

  async #stateEvent(event: StoredEvent, type: string, stateKey: string): Promise<StoredEvent | undefined> {
    const eventId: EventId | undefined = await this.#parts.rooms.stateIdBefore(event, type, stateKey)
    return eventId === undefined ? undefined : this.#parts.rooms.event(eventId)
  }

  #members(state: RoomState): { readonly userId: UserId; readonly membership: string }[] {
    return [...state.members()].filter(({ userId }) => serverNameOf(userId) === this.#server)
  }
}

/** Of which members one must be of the server. Without a rule, or with one that nobody knows, the history is shared. */
function membershipsThatRead(visibility: StoredEvent | undefined): 'all' | ReadonlySet<string | undefined> {
  switch (ownString(visibility?.pdu.content, 'history_visibility')) {
    case 'joined':
      return new Set(['join'])
    case 'invited':
      return new Set(['join', 'invite'])
    default:
      return 'all'
  }
}
