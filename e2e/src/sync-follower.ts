import { setTimeout as sleep } from 'node:timers/promises'
import type { Json } from '@kith/testkit/world/json'
import type { ApiAccount } from './api-account.ts'

const POLL_MS = 1_000
const RETRY_MS = 200
const filter = JSON.stringify({ room: { timeline: { limit: 500 } }, presence: { not_types: ['*'] } })

/** A client that syncs all the time, and goes on with its last token when its server was away. Remembers what it was shown, as it came. */
export class SyncFollower implements AsyncDisposable {
  readonly account: ApiAccount
  /** Of each room. */
  readonly shown = new Map<string, Json[]>()
  /** Rooms of whose timeline the server left something out. */
  readonly limited = new Set<string>()
  /** The section in which each room was shown last. */
  readonly memberships = new Map<string, string>()
  readonly #run: Promise<void>
  #since: string | undefined
  #ended = false

  /** Resolves after the first answer: what comes later is news. */
  static async begin(account: ApiAccount): Promise<SyncFollower> {
    const { next_batch: since } = await account.ok('GET', '/sync')
    return new SyncFollower(account, since)
  }

  private constructor(account: ApiAccount, since: string) {
    this.account = account
    this.#since = since
    this.#run = this.#follow()
  }

  /** Bodies of the messages of one sender in a room, as they came. */
  textsBy(roomId: string, sender: ApiAccount): string[] {
    return (this.shown.get(roomId) ?? [])
      .filter((event) => event.type === 'm.room.message' && event.sender === sender.userId)
      .map((event) => String(event.content.body))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#ended = true
    await this.#run
  }

  async #follow(): Promise<void> {
    while (!this.#ended) {
      const query = new URLSearchParams({ filter, timeout: String(POLL_MS), since: this.#since ?? '' })
      try {
        this.#read(await this.account.ok('GET', `/sync?${query}`))
      } catch {
        await sleep(RETRY_MS)
      }
    }
  }

  #read(answer: Json): void {
    this.#since = answer.next_batch
    for (const section of ['leave', 'knock', 'invite', 'join'])
      for (const roomId of Object.keys(answer.rooms?.[section] ?? {})) this.memberships.set(roomId, section)
    const rooms: [string, Json][] = [...Object.entries(answer.rooms?.join ?? {}), ...Object.entries(answer.rooms?.leave ?? {})]
    for (const [roomId, room] of rooms) {
      if (room.timeline?.limited === true) this.limited.add(roomId)
      this.shown.getOrInsertComputed(roomId, () => []).push(...(room.timeline?.events ?? []))
    }
  }
}
