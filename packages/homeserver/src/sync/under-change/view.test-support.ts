import type { Json } from '../../client-api/test-node.test-support.ts'

/** Changes an answer on its way, to show that the comparison would see it. */
export type Tamper = (answer: Json) => Json
export const untouched: Tamper = (answer) => answer

/** What a client shows of a room, put together from its syncs alone. */
export interface RoomView {
  readonly state: Map<string, string>
  /** Entries that the client took from the timeline. */
  readonly fromTimeline: Set<string>
  /** Of the timeline without a gap, the oldest first, and the token of what is before it. */
  live: string[]
  prevBatch: string | undefined
  readonly receipts: Map<string, string>
  readonly accountData: Map<string, string>
  typing: string
  isDirect: boolean
  counts: { notification_count: number; highlight_count: number }
  members: { joined: number | undefined; invited: number | undefined }
}

/** Of one client. Events that came twice, and whatever must not come at all, are noted when they do. */
export class View {
  readonly joined = new Map<string, RoomView>()
  readonly invited = new Set<string>()
  readonly accountData = new Map<string, string>()
  readonly toDevice: string[] = []
  readonly faults: string[] = []
  readonly #userId: string

  constructor(userId: string) {
    this.#userId = userId
  }

  room(roomId: string): RoomView {
    return this.joined.getOrInsertComputed(roomId, () => ({
      state: new Map(),
      fromTimeline: new Set(),
      live: [],
      prevBatch: undefined,
      receipts: new Map(),
      accountData: new Map(),
      typing: '',
      isDirect: false,
      counts: { notification_count: 0, highlight_count: 0 },
      members: { joined: undefined, invited: undefined },
    }))
  }

  /** @param mayRepeat whether the client asked for what it was shown before. */
  addTimeline(
    room: RoomView,
    section: { events: readonly Json[]; limited: boolean; prevBatch: string | undefined; mayRepeat?: boolean },
  ): void {
    const ids = section.events.map((event) => event.event_id as string)
    if (section.mayRepeat === true) {
      room.live = [...ids]
      room.prevBatch = section.prevBatch
      return
    }
    for (const id of ids) if (room.live.includes(id)) this.faults.push(`the event ${id} came twice`)
    if (new Set(ids).size !== ids.length) this.faults.push('an answer has an event twice')
    if (section.limited || room.prevBatch === undefined) {
      room.live = [...ids]
      room.prevBatch = section.prevBatch
    } else room.live.push(...ids)
  }

  addState(room: RoomView, events: readonly Json[], isTimeline = false): void {
    for (const event of events) {
      if (event.state_key === undefined) continue
      room.state.set(stateName(event), event.event_id)
      if (isTimeline) room.fromTimeline.add(stateName(event))
      else room.fromTimeline.delete(stateName(event))
    }
  }

  addReceipts(room: RoomView, content: Json): void {
    for (const [eventId, types] of Object.entries<Json>(content)) {
      for (const [type, users] of Object.entries<Json>(types)) {
        for (const [userId, { thread_id: thread = '' }] of Object.entries<Json>(users)) {
          if (type === 'm.read.private' && userId !== this.#userId) this.faults.push(`a private receipt of ${userId} was told`)
          room.receipts.set(`${userId} ${type} ${thread}`, eventId)
        }
      }
    }
  }
}

export function stateName(event: Json): string {
  return `${event.type} ${event.state_key}`
}

export function isMemberName(name: string): boolean {
  return name.startsWith('m.room.member ')
}
