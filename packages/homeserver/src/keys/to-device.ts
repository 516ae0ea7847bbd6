import {
  encodeBase64Url,
  isJsonObject,
  type JsonObject,
  ownMember,
  ownObject,
  ownString,
  parseUserId,
  type ServerName,
  serverNameOf,
  type UserId,
} from '@kith/matrix-protocol'
import type { Accounts } from '../accounts/accounts.ts'
import { everyEntry } from '../every-entry.ts'
import type { Devices } from '../accounts/devices.ts'
import { KeyedQueue } from '../keyed-queue.ts'
import { limits } from '../limits.ts'
import type { Clock } from '../ports/clock.ts'
import type { Log } from '../ports/log.ts'
import type { Random } from '../ports/random.ts'
import { type Storage, WriteBatch } from '../ports/storage.ts'
import type { Timeline, TimelineTransaction } from '../timeline/index.ts'
import { keysTables } from './tables.ts'

/** user id → device id or `*` → content. */
export type ToDeviceMessages = ReadonlyMap<UserId, ReadonlyMap<string, JsonObject>>

export interface InboxPage {
  readonly events: readonly { readonly sender: UserId; readonly type: string; readonly content: JsonObject }[]
  /** Everything up to here is on this page or was on an earlier one. */
  readonly deliveredUpTo: number
}

interface Recipient {
  readonly userId: UserId
  readonly deviceId: string
  readonly content: JsonObject
}

interface ToDeviceParts {
  readonly storage: Storage
  readonly timeline: Timeline
  readonly accounts: Accounts
  readonly devices: Devices
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
  /** Whether the user is in a room of this server. */
  readonly isInRooms: (userId: UserId) => boolean
}

/**
 * Messages from device to device.
 *
 * Invariants:
 * 1. A message is in a device's inbox from the commit that accepted it until the device asks for what came after it.
 * 2. A message of another server is taken in once per message id.
 */
export class ToDevice {
  readonly #parts: ToDeviceParts
  readonly #waiting = new Map<string, number>()
  readonly #queue = new KeyedQueue<string>()

  private constructor(parts: ToDeviceParts) {
    this.#parts = parts
  }

  static async open(parts: ToDeviceParts): Promise<ToDevice> {
    const toDevice = new ToDevice(parts)
    for await (const { key } of everyEntry(parts.storage, keysTables.toDeviceInbox)) toDevice.#count(key[0], key[1], 1)
    await toDevice.#forgetOldIds()
    return toDevice
  }

  /** Puts messages of a local user into local inboxes and the outbox. `write` joins the same commit. */
  async send(sender: UserId, type: string, messages: ToDeviceMessages, write: (transaction: TimelineTransaction) => void): Promise<void> {
    const { timeline } = this.#parts
    const own = serverNameOf(sender)
    const remote = new Map<ServerName, Map<UserId, ReadonlyMap<string, JsonObject>>>()
    const local: Recipient[] = []
    for (const [userId, devices] of messages) {
      const server = serverNameOf(userId)
      if (server === own) local.push(...this.#recipients(userId, devices))
      else remote.set(server, (remote.get(server) ?? new Map<UserId, ReadonlyMap<string, JsonObject>>()).set(userId, devices))
    }
    const fitting = this.#fitting(local, limits.implementation.toDeviceInboxMax)
    const edus = [...remote].flatMap(([server, users]) => this.#edus(sender, type, users).map((content) => ({ server, content })))
    const build = (transaction: TimelineTransaction): void => {
      write(transaction)
      for (const { userId, deviceId, content } of fitting) this.#deliver(transaction, userId, deviceId, { sender, type, content })
      for (const { server, content } of edus) transaction.enqueue(server, { kind: 'edu', type: 'm.direct_to_device', content })
    }
    await timeline.commit(build, () => this.#countAll(fitting))
  }

  /** `m.direct_to_device` of another server. Malformed content and senders not of `origin` are ignored. */
  async receive(origin: ServerName, content: JsonObject): Promise<void> {
    const sender = parseUserId(ownMember(content, 'sender'))
    const type = ownString(content, 'type')
    const messageId = ownString(content, 'message_id')
    const messages = ownObject(content, 'messages')
    if (sender === undefined || serverNameOf(sender) !== origin || type === undefined || messageId === undefined || messages === undefined)
      return
    if (messageId.length > 255 || type.length > 255) return
    await this.#queue.run(sender, async () => {
      const { storage, timeline, clock } = this.#parts
      if ((await storage.get(keysTables.toDeviceSeen, [sender, messageId])) !== undefined) return
      const recipients = Object.entries(messages).flatMap(([name, devices]) => {
        const userId = parseUserId(name)
        if (userId === undefined || !isJsonObject(devices) || !this.#parts.accounts.exists(userId)) return []
        const contents = Object.entries(devices).filter((entry): entry is [string, JsonObject] => isContent(entry[1]))
        return this.#recipients(userId, new Map(contents))
      })
      const { toDeviceInboxMax, toDeviceInboxForStrangersMax } = limits.implementation
      const fitting = this.#fitting(recipients, this.#parts.isInRooms(sender) ? toDeviceInboxMax : toDeviceInboxForStrangersMax)
      if (fitting.length === 0) return
      const build = (transaction: TimelineTransaction): void => {
        transaction.batch.put(keysTables.toDeviceSeen, [sender, messageId], clock.now())
        for (const { userId, deviceId, content } of fitting) this.#deliver(transaction, userId, deviceId, { sender, type, content })
      }
      await timeline.commit(build, () => this.#countAll(fitting))
    })
  }

  /** What waits for a device after one position, up to another. */
  async page(
    userId: UserId,
    deviceId: string,
    after: number,
    upTo: number,
    limit: number = limits.implementation.toDeviceMessagesPerSyncMax,
  ): Promise<InboxPage> {
    if (!this.#waiting.has(inboxName(userId, deviceId))) return { events: [], deliveredUpTo: upTo }
    const rows = await this.#parts.storage.range(keysTables.toDeviceInbox, {
      prefix: [userId, deviceId],
      after: [userId, deviceId, after],
      before: [userId, deviceId, upTo + 1],
      limit,
    })
    const last = rows.at(-1)
    return {
      events: rows.map(({ value }) => ({ sender: value.sender, type: value.type, content: value.content })),
      deliveredUpTo: rows.length === limit && last !== undefined ? last.key[2] : upTo,
    }
  }

  /** The device has everything up to that position. */
  async acknowledge(userId: UserId, deviceId: string, upTo: number): Promise<void> {
    const name = inboxName(userId, deviceId)
    if (!this.#waiting.has(name)) return
    await this.#queue.run(name, async () => {
      const rows = await this.#parts.storage.range(keysTables.toDeviceInbox, {
        prefix: [userId, deviceId],
        before: [userId, deviceId, upTo + 1],
        limit: limits.implementation.toDeviceInboxMax,
      })
      if (rows.length === 0) return
      const batch = new WriteBatch()
      for (const { key } of rows) batch.delete(keysTables.toDeviceInbox, key)
      await this.#parts.storage.commit(batch.writes)
      this.#count(userId, deviceId, -rows.length)
    })
  }

  deviceRemoved(userId: UserId, deviceId: string): void {
    this.#waiting.delete(inboxName(userId, deviceId))
  }

  #recipients(userId: UserId, devices: ReadonlyMap<string, JsonObject>): Recipient[] {
    const known = this.#parts.devices.of(userId).map((device) => device.deviceId)
    return [...devices].flatMap(([deviceId, content]) => {
      if (deviceId === '*') return known.map((id) => ({ userId, deviceId: id, content }))
      return known.includes(deviceId) ? [{ userId, deviceId, content }] : []
    })
  }

  #deliver(
    transaction: TimelineTransaction,
    userId: UserId,
    deviceId: string,
    message: { readonly sender: UserId; readonly type: string; readonly content: JsonObject },
  ): void {
    const position = transaction.append({ kind: 'to-device', userId, deviceId })
    transaction.batch.put(keysTables.toDeviceInbox, [userId, deviceId, position], message)
  }

  #fitting(recipients: readonly Recipient[], max: number): Recipient[] {
    const fitting = recipients.filter(({ userId, deviceId }) => (this.#waiting.get(inboxName(userId, deviceId)) ?? 0) < max)
    if (fitting.length < recipients.length) {
      this.#parts.log.warn('to-device inbox is full, messages dropped', { count: recipients.length - fitting.length })
    }
    return fitting
  }

  #countAll(recipients: readonly Recipient[]): void {
    for (const { userId, deviceId } of recipients) this.#count(userId, deviceId, 1)
  }

  /** Contents of `m.direct_to_device`, split by recipient where one would be too big. */
  #edus(sender: UserId, type: string, users: ReadonlyMap<UserId, ReadonlyMap<string, JsonObject>>): JsonObject[] {
    const edus: JsonObject[] = []
    let messages = new Map<UserId, Map<string, JsonObject>>()
    let size = 0
    const flush = (): void => {
      if (messages.size === 0) return
      const byUser = [...messages].map(([userId, devices]) => [userId, Object.fromEntries(devices)] as const)
      const messageId = encodeBase64Url(this.#parts.random.bytes(16))
      edus.push({ sender, type, message_id: messageId, messages: Object.fromEntries(byUser) })
      messages = new Map()
      size = 0
    }
    for (const [userId, devices] of users) {
      for (const [deviceId, content] of devices) {
        const bytes = JSON.stringify(content).length
        if (size + bytes > limits.implementation.toDeviceEduBytesMax) flush()
        messages.set(userId, (messages.get(userId) ?? new Map<string, JsonObject>()).set(deviceId, content))
        size += bytes
      }
    }
    flush()
    return edus
  }

  async #forgetOldIds(): Promise<void> {
    const { storage, clock } = this.#parts
    const oldest = clock.now() - limits.implementation.toDeviceSeenLifetimeMs
    const batch = new WriteBatch()
    for await (const { key, value } of everyEntry(storage, keysTables.toDeviceSeen)) {
      if (value < oldest) batch.delete(keysTables.toDeviceSeen, key)
    }
    if (batch.writes.length > 0) await storage.commit(batch.writes)
  }

  #count(userId: UserId, deviceId: string, change: number): void {
    const name = inboxName(userId, deviceId)
    const count = (this.#waiting.get(name) ?? 0) + change
    if (count > 0) this.#waiting.set(name, count)
    else this.#waiting.delete(name)
  }
}

function inboxName(userId: UserId, deviceId: string): string {
  return `${userId} ${deviceId}`
}

/** What clients here may send is also all that they are sent. */
function isContent(value: unknown): value is JsonObject {
  return isJsonObject(value) && JSON.stringify(value).length <= limits.implementation.toDeviceContentBytesMax
}
