import { type InspectedEvent, prevIdsOf } from './inspect.ts'

/** The event graph of a room, out of everything that its servers know. */
export class RoomGraph {
  readonly #events = new Map<string, InspectedEvent>()
  readonly #ancestors = new Map<string, ReadonlySet<string>>()

  constructor(events: Iterable<InspectedEvent>) {
    for (const event of events) {
      const known = this.#events.get(event.eventId)
      if (known === undefined || known.status === 'outlier' || (!saysWhatItRedacts(known) && saysWhatItRedacts(event)))
        this.#events.set(event.eventId, event)
    }
  }

  get events(): IteratorObject<InspectedEvent> {
    return this.#events.values()
  }

  event(eventId: string): InspectedEvent {
    const event = this.#events.get(eventId)
    if (event === undefined) throw new Error(`No server has the event ${eventId}`)
    return event
  }

  /** Everything that the event builds on. */
  ancestorsOf(eventId: string): ReadonlySet<string> {
    const known = this.#ancestors.get(eventId)
    if (known !== undefined) return known
    const found = new Set<string>()
    const open = [eventId]
    for (let next = open.pop(); next !== undefined; next = open.pop()) {
      const event = this.#events.get(next)
      for (const prev of event === undefined ? [] : prevIdsOf(event)) {
        if (found.has(prev)) continue
        found.add(prev)
        open.push(prev)
      }
    }
    this.#ancestors.set(eventId, found)
    return found
  }

  areConcurrent(one: string, other: string): boolean {
    return one !== other && !this.ancestorsOf(one).has(other) && !this.ancestorsOf(other).has(one)
  }

  /** Membership events of a user. */
  memberships(userId: string): InspectedEvent[] {
    return [...this.#events.values()].filter(({ pdu }) => pdu.type === 'm.room.member' && pdu.state_key === userId)
  }

  /** Whether nothing but one join, before the event, ever made the user a member, and nothing ever ended it. */
  wasAlwaysJoinedSince(userId: string, eventId: string): boolean {
    const memberships = this.memberships(userId)
    const joins = memberships.filter((event) => event.pdu.content['membership'] === 'join')
    const ended = memberships.some((event) => event.pdu.content['membership'] === 'leave' || event.pdu.content['membership'] === 'ban')
    const [join] = joins
    return !ended && joins.length === 1 && join !== undefined && this.ancestorsOf(eventId).has(join.eventId)
  }

  /** Whether the user became a member more than once, or was one and no longer. */
  cameBack(userId: string): boolean {
    const memberships = this.memberships(userId).map(({ pdu }) => pdu.content['membership'])
    return (
      memberships.includes('leave') || memberships.includes('ban') || memberships.filter((membership) => membership === 'join').length > 1
    )
  }

  /** What a redaction says that it redacts. */
  targetOf(eventId: string): string | undefined {
    const event = this.#events.get(eventId)
    return event === undefined ? undefined : targetIn(event)
  }

  /** Whether members see what was before them. */
  get isShared(): boolean {
    const settings = [...this.#events.values()].filter(({ pdu }) => pdu.type === 'm.room.history_visibility')
    return settings.every(({ pdu }) => pdu.content['history_visibility'] === 'shared')
  }

  describe(eventId: string): string {
    const event = this.#events.get(eventId)
    if (event === undefined) return eventId
    const { pdu } = event
    const text = pdu.content['body'] ?? pdu.content['membership']
    const who = pdu.sender.split(':')[0] ?? ''
    const key = pdu.state_key === undefined ? '' : `/${pdu.state_key}`
    return `${pdu.type}${key} of ${who} at depth ${pdu.depth} ${JSON.stringify(text) ?? ''}`
  }
}

/** Not so where a server got it as what its members may not see: then its own form is a redacted one. */
export function saysWhatItRedacts(event: InspectedEvent): boolean {
  return event.pdu.type !== 'm.room.redaction' || targetIn(event) !== undefined
}

function targetIn({ pdu }: InspectedEvent): string | undefined {
  const target = pdu.type === 'm.room.redaction' ? (pdu.redacts ?? pdu.content['redacts']) : undefined
  return typeof target === 'string' ? target : undefined
}
