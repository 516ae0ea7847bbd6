import type { Json } from './json.ts'
import type { WorldUser } from './world-user.ts'

const POLL_MS = 30_000
const PAUSE_MIN_MS = 200
const PAUSE_MAX_MS = 10 * 60_000
const TIMELINE_MAX = 500

const filter = JSON.stringify({ room: { timeline: { limit: TIMELINE_MAX } }, presence: { not_types: ['*'] } })

/** A client that syncs for as long as the world exists, and begins again with its last token when its server has died meanwhile. */
export class SyncClient {
  readonly user: WorldUser
  /** Event ids of each room's timeline, as they came. */
  readonly timelines = new Map<string, string[]>()
  /** Event ids of each room that came again in a timeline which went on. */
  readonly doubled = new Map<string, Set<string>>()
  /** Where the last timeline of a room began that has more before it: the token with which a client asks for that. */
  readonly beginnings = new Map<string, string>()
  /** Rooms that the user is in, as far as the answers tell. */
  readonly inside = new Set<string>()
  readonly problems: string[] = []
  /** Of each room, since its timeline began anew. */
  readonly #shown = new Map<string, Set<string>>()
  #since: string | undefined
  #pauseMs = PAUSE_MIN_MS
  #ended = false

  constructor(user: WorldUser) {
    this.user = user
  }

  async run(): Promise<void> {
    const { clock } = this.user.server.world
    while (!this.#ended) {
      const news = await this.#poll(this.#since === undefined ? 0 : POLL_MS)
      // A client in the background asks more and more seldom; one with news at once.
      this.#pauseMs = news ? PAUSE_MIN_MS : Math.min(this.#pauseMs * 2, PAUSE_MAX_MS)
      await clock.sleep(this.#pauseMs, new AbortController().signal)
    }
  }

  end(): void {
    this.#ended = true
  }

  /** Takes what there is now. */
  async catchUp(): Promise<void> {
    while (await this.#poll(0)) continue
  }

  async #poll(timeoutMs: number): Promise<boolean> {
    const since = this.#since
    const query = new URLSearchParams({ filter, timeout: String(timeoutMs), ...(since === undefined ? {} : { since }) })
    const reply = await this.user.call('GET', `/sync?${query}`)
    if (reply.kind === 'lost') return true
    if (reply.status !== 200) {
      this.problems.push(`sync answered ${reply.status}`)
      return false
    }
    // Another poll of this client was answered meanwhile: this answer is of an older token.
    if (this.#since !== since) return true
    this.#since = reply.body.next_batch
    return this.#read(reply.body)
  }

  #read(answer: Json): boolean {
    let news = false
    for (const roomId of Object.keys(answer.rooms?.join ?? {})) this.inside.add(roomId)
    for (const section of [answer.rooms?.leave, answer.rooms?.invite, answer.rooms?.knock])
      for (const roomId of Object.keys(section ?? {})) this.inside.delete(roomId)
    const rooms: [string, Json][] = [...Object.entries(answer.rooms?.join ?? {}), ...Object.entries(answer.rooms?.leave ?? {})]
    for (const [roomId, room] of rooms) {
      news = true
      if (room.timeline?.limited === true) this.beginnings.set(roomId, room.timeline.prev_batch)
      const seen = this.timelines.get(roomId) ?? []
      this.timelines.set(roomId, seen)
      for (const event of room.timeline?.events ?? []) seen.push(event.event_id)
      this.#noteShown(roomId, room)
      // A stay after this one is told from scratch.
      if (answer.rooms?.leave?.[roomId] !== undefined) this.#shown.delete(roomId)
    }
    return news || Object.keys(answer.rooms?.invite ?? {}).length > 0
  }

  #noteShown(roomId: string, room: Json): void {
    // Clients put such a timeline in the place of what they have. Whose stay ended and began between two answers is told so.
    if (room.timeline?.limited === true) this.#shown.delete(roomId)
    const shown = this.#shown.getOrInsertComputed(roomId, () => new Set())
    for (const { event_id: eventId } of room.timeline?.events ?? []) {
      if (shown.has(eventId)) this.doubled.getOrInsertComputed(roomId, () => new Set()).add(eventId)
      shown.add(eventId)
    }
  }
}
