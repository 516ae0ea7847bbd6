import type { Json, TestUser } from '../../client-api/test-node.test-support.ts'
import { allExtensions, SlidingClient } from '../sliding/sliding-client.test-support.ts'
import type { ClientSettings } from './actions.test-support.ts'
import type { SyncOptions } from './classic-client.test-support.ts'
import { type Tamper, untouched, View } from './view.test-support.ts'

export interface Window {
  readonly first: number
  readonly size: number
  readonly limit: number
}

export interface SlidingOptions {
  readonly takesMessages: boolean
  readonly tamper: Tamper
}

/** A client of sliding sync, whose window moves about. */
export class SlidingViewer {
  readonly user: TestUser
  readonly settings: ClientSettings
  view: View
  /** To-device messages do not belong to the connection. */
  readonly #toDevice: string[] = []
  #toDeviceSince: string | undefined
  #connection: SlidingClient

  readonly #tamper: Tamper
  readonly #takesMessages: boolean

  /** @param takesMessages whether it is the one that takes the device's messages. */
  constructor(user: TestUser, settings: ClientSettings, { takesMessages = true, tamper = untouched }: Partial<SlidingOptions> = {}) {
    this.#takesMessages = takesMessages
    this.#tamper = tamper
    this.user = user
    this.settings = settings
    this.view = new View(user.userId)
    this.#connection = new SlidingClient(user)
  }

  async sync({ lost, first, size, limit, timeout = 0, signal }: Window & SyncOptions): Promise<boolean> {
    const required = this.settings.lazy
      ? [
          ['*', '*'],
          ['m.room.member', '$LAZY'],
        ]
      : [['*', '*']]
    const config = { timeline_limit: limit, required_state: required }
    const toDevice = { enabled: this.#takesMessages, ...(this.#toDeviceSince === undefined ? {} : { since: this.#toDeviceSince }) }
    const body = { lists: { all: { ...config, ranges: [[first, first + size]] } }, extensions: { ...allExtensions, to_device: toDevice } }
    const reply = await this.#connection.call(body, { timeout, ...(signal === undefined ? {} : { signal }) })
    if (reply.status === 400 && reply.body.errcode === 'M_UNKNOWN_POS') {
      // The server has forgotten the connection, and so everything begins anew.
      const { faults } = this.view
      this.view = new View(this.user.userId)
      this.view.faults.push(...faults)
      this.#connection = new SlidingClient(this.user)
      return true
    }
    if (reply.status !== 200) throw new Error(`${reply.status} ${JSON.stringify(reply.body)}`)
    if (lost) return true
    const { pos, rooms, extensions } = this.#tamper(reply.body)
    this.#connection.pos = pos
    this.#toDeviceSince = extensions.to_device?.next_batch
    for (const [roomId, room] of Object.entries<Json>(rooms)) this.#applyRoom(roomId, room)
    this.#applyExtensions(extensions)
    return Object.keys(rooms).length > 0 || (extensions.to_device?.events ?? []).length > 0 || 'rooms' in (extensions.receipts ?? {})
  }

  get toDevice(): readonly string[] {
    return this.#toDevice
  }

  #applyRoom(roomId: string, answer: Json): void {
    const { view } = this
    if (answer.membership !== 'join') {
      view.joined.delete(roomId)
      view.invited.delete(roomId)
      if (answer.membership === 'invite') view.invited.add(roomId)
      return
    }
    view.invited.delete(roomId)
    if (answer.initial === true) {
      const old = view.joined.get(roomId)
      view.joined.delete(roomId)
      // What belongs to the extensions is not the room's to replace.
      if (old !== undefined) Object.assign(view.room(roomId), { receipts: old.receipts, accountData: old.accountData, typing: old.typing })
    } else if (!view.joined.has(roomId)) view.faults.push(`the room ${roomId} is told of as if it were known`)
    const room = view.room(roomId)
    view.addTimeline(room, {
      events: answer.timeline,
      limited: answer.limited,
      prevBatch: answer.prev_batch,
      mayRepeat: answer.initial === true || answer.unstable_expanded_timeline === true,
    })
    view.addState(room, answer.required_state)
    room.counts = { notification_count: answer.notification_count, highlight_count: answer.highlight_count }
    if (answer.is_dm !== undefined) room.isDirect = answer.is_dm
    if (answer.joined_count !== undefined) room.members = { joined: answer.joined_count, invited: answer.invited_count }
  }

  #applyExtensions({ to_device, account_data, receipts, typing }: Json): void {
    const { view } = this
    for (const { content } of to_device?.events ?? []) this.#toDevice.push(content.id)
    for (const { type, content } of account_data.global ?? []) view.accountData.set(type, JSON.stringify(content))
    for (const [roomId, entries] of Object.entries<Json>(account_data.rooms ?? {})) {
      const room = view.joined.get(roomId)
      for (const { type, content } of entries) room?.accountData.set(type, JSON.stringify(content))
    }
    for (const [roomId, { content }] of Object.entries<Json>(receipts.rooms ?? {})) view.addReceipts(view.room(roomId), content)
    for (const [roomId, { content }] of Object.entries<Json>(typing.rooms ?? {}))
      view.room(roomId).typing = content.user_ids.toSorted().join(' ')
  }
}
