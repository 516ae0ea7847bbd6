import type { Json, TestUser } from '../client-api/test-node.test-support.ts'

export interface ViewKind {
  readonly stateName: 'state' | 'state_after'
  readonly limit: number
  readonly types: readonly string[] | undefined
  readonly lazy: boolean
}

type Picture = Map<string, { readonly state: ReadonlyMap<string, string>; readonly timeline: readonly string[] }>

interface SeenRoom {
  readonly state: Map<string, string>
  timeline: string[]
  readonly senders: Set<string>
}

/** A client that syncs with a filter, and pages back wherever an answer left something out. */
export class FilteredView {
  readonly user: TestUser
  readonly rooms = new Map<string, SeenRoom>()
  readonly #kind: ViewKind
  #since: string | undefined

  constructor(user: TestUser, kind: ViewKind) {
    this.user = user
    this.#kind = kind
  }

  async sync(): Promise<Json> {
    const { stateName, limit, types, lazy } = this.#kind
    const timeline = { limit, ...(types === undefined ? {} : { types }) }
    const filter = JSON.stringify({ room: { timeline, state: { lazy_load_members: lazy } } })
    const answer = await this.user.sync(this.#since, { filter, use_state_after: String(stateName === 'state_after') })
    this.#since = answer.next_batch
    for (const roomId of Object.keys(answer.rooms.leave)) this.rooms.delete(roomId)
    for (const [roomId, section] of Object.entries<Json>(answer.rooms.join)) await this.#apply(roomId, section)
    return answer
  }

  /** What this client knows, to be held against `actual`. */
  async known(): Promise<Picture> {
    await this.sync()
    return new Map([...this.rooms].map(([roomId, { state, timeline }]) => [roomId, { state, timeline }]))
  }

  /** What is there, read without syncs; of members those that a client must know that loads them as it needs them. */
  async actual(): Promise<Picture> {
    const picture: Picture = new Map()
    for (const roomId of (await this.user.ok('GET', '/joined_rooms')).joined_rooms) {
      const path = `/rooms/${encodeURIComponent(roomId)}`
      const events: Json[] = await this.user.ok('GET', `${path}/state`)
      const state = events.map((event) => [`${event.type} ${event.state_key}`, event.event_id] as const)
      const { chunk } = await this.user.ok('GET', `${path}/messages?dir=f&limit=1000${this.#pageFilter()}`)
      const timeline: string[] = chunk.map((event: Json) => event.event_id)
      picture.set(roomId, { state: new Map(state.filter(([key]) => this.#mustKnow(roomId, key))), timeline })
    }
    return picture
  }

  #mustKnow(roomId: string, key: string): boolean {
    const room = this.rooms.get(roomId)
    if (!this.#kind.lazy || !key.startsWith('m.room.member ') || room === undefined) return true
    const userId = key.slice('m.room.member '.length)
    return room.state.has(key) || room.senders.has(userId) || userId === this.user.userId
  }

  async #apply(roomId: string, section: Json): Promise<void> {
    const { stateName } = this.#kind
    const room = this.rooms.get(roomId) ?? { state: new Map<string, string>(), timeline: [], senders: new Set<string>() }
    const { events, limited, prev_batch: before } = section.timeline
    const older = limited ? await this.#pageBack(roomId, before, new Set(room.timeline)) : []
    this.rooms.set(roomId, room)
    for (const event of [...section[stateName].events, ...(stateName === 'state' ? events : [])])
      if (event.state_key !== undefined) room.state.set(`${event.type} ${event.state_key}`, event.event_id)
    // Members of who sent what was paged are fetched with the pages.
    for (const event of events) room.senders.add(event.sender)
    room.timeline.push(...older, ...events.map((event: Json) => event.event_id))
  }

  async #pageBack(roomId: string, from: string, known: ReadonlySet<string>): Promise<string[]> {
    const older: string[] = []
    let token: string | undefined = from
    while (token !== undefined) {
      const path = `/rooms/${encodeURIComponent(roomId)}/messages?dir=b&limit=7&from=${token}${this.#pageFilter()}`
      const page: Json = await this.user.ok('GET', path)
      for (const { event_id: eventId } of page.chunk) {
        if (known.has(eventId)) return older
        older.unshift(eventId)
      }
      token = page.end
    }
    return older
  }

  #pageFilter(): string {
    const { types } = this.#kind
    return types === undefined ? '' : `&filter=${encodeURIComponent(JSON.stringify({ types }))}`
  }
}
