import type { Json, TestUser } from '../../client-api/test-node.test-support.ts'
import type { ClientSettings } from './actions.test-support.ts'
import { type RoomView, type Tamper, untouched, View } from './view.test-support.ts'

export interface SyncOptions {
  readonly lost: boolean
  readonly timeout?: number
  readonly signal?: AbortSignal
}

/** A client of /sync. */
export class ClassicClient {
  readonly user: TestUser
  readonly settings: ClientSettings
  readonly view: View
  readonly #tamper: Tamper
  #since: string | undefined

  constructor(user: TestUser, settings: ClientSettings, tamper: Tamper = untouched) {
    this.#tamper = tamper
    this.user = user
    this.settings = settings
    this.view = new View(user.userId)
  }

  get toDevice(): readonly string[] {
    return this.view.toDevice
  }

  /** @param lost whether the answer never reaches the client. Returns whether it told anything. */
  async sync({ lost, timeout = 0, signal }: SyncOptions): Promise<boolean> {
    const { limit, lazy, stateName } = this.settings
    const filter = JSON.stringify({ room: { timeline: { limit }, state: { lazy_load_members: lazy } } })
    const since = this.#since === undefined ? {} : { since: this.#since }
    const after = String(stateName === 'state_after')
    const query = new URLSearchParams({ ...since, filter, use_state_after: after, timeout: String(timeout) })
    const { status, body: answer } = await this.user.call('GET', `/sync?${query}`, undefined, signal)
    if (status !== 200) throw new Error(`${status} ${JSON.stringify(answer)}`)
    if (lost) return true
    this.#since = answer.next_batch
    this.#apply(this.#tamper(answer))
    const { join, invite, leave } = answer.rooms
    const told = [join, invite, leave].some((section) => Object.keys(section).length > 0)
    return told || answer.to_device.events.length > 0 || answer.account_data.events.length > 0
  }

  #apply(answer: Json): void {
    const { view } = this
    for (const { type, content } of answer.account_data.events) view.accountData.set(type, JSON.stringify(content))
    for (const { content } of answer.to_device.events) view.toDevice.push(content.id)
    for (const roomId of Object.keys(answer.rooms.leave)) {
      view.joined.delete(roomId)
      view.invited.delete(roomId)
    }
    for (const roomId of Object.keys(answer.rooms.invite)) {
      view.joined.delete(roomId)
      view.invited.add(roomId)
    }
    for (const [roomId, section] of Object.entries<Json>(answer.rooms.join)) {
      view.invited.delete(roomId)
      this.#applyJoined(view.room(roomId), section)
    }
  }

  #applyJoined(room: RoomView, section: Json): void {
    const { timeline } = section
    const { stateName } = this.settings
    this.view.addTimeline(room, { events: timeline.events, limited: timeline.limited, prevBatch: timeline.prev_batch })
    this.view.addState(room, section[stateName].events)
    if (stateName === 'state') this.view.addState(room, timeline.events, true)
    for (const { type, content } of section.account_data.events) room.accountData.set(type, JSON.stringify(content))
    for (const { type, content } of section.ephemeral.events) {
      if (type === 'm.receipt') this.view.addReceipts(room, content)
      if (type === 'm.typing') room.typing = content.user_ids.toSorted().join(' ')
    }
    room.counts = section.unread_notifications
    const { 'm.joined_member_count': joined, 'm.invited_member_count': invited } = section.summary ?? {}
    if (joined !== undefined) room.members = { joined, invited }
  }
}
