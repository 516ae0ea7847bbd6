import { isJsonObject, type JsonObject, type JsonValue, parseEventId, parseRoomId, parseUserId, type ServerName, serverNameOf, type UserId } from '@kith/matrix-protocol'
import * as v from 'valibot'
import type { Log } from '../../ports/log.ts'
import type { RelayLists } from '../../relay/relay-lists.ts'
import type { Rooms } from '../../rooms/index.ts'
import type { LocalUsers, RemoteReceipt } from '../local-users.ts'
import type { InviteReceiver } from '../membership/receive-invite.ts'
import type { UserKeys } from '../query/user-keys.ts'

export interface EdusParts {
  readonly users: LocalUsers
  readonly userKeys: UserKeys
  readonly invites: InviteReceiver
  readonly relayLists: RelayLists
  readonly rooms: Rooms
  readonly log: Log
  /** Settles outbox rows of the server that acknowledges. */
  readonly acknowledge: (server: ServerName, transactionIds: ReadonlySet<string>) => Promise<void>
}

const ID_CHARACTERS_MAX = 255
const ACKNOWLEDGED_MAX = 500
const RECEIPTS_MAX = 1_000

const userId = v.pipe(
  v.string(),
  v.transform((text) => parseUserId(text)),
  v.custom<UserId>((id) => id !== undefined),
)
const object = v.custom<JsonObject>(isJsonObject)
const shortText = v.pipe(v.string(), v.maxLength(ID_CHARACTERS_MAX))

const eduSchema = v.object({ edu_type: shortText, content: object })
const toDeviceSchema = v.object({
  sender: userId,
  type: shortText,
  message_id: shortText,
  messages: v.record(v.string(), v.record(v.string(), object)),
})
const userSchema = v.object({ user_id: userId })
const typingSchema = v.object({ room_id: v.string(), user_id: userId, typing: v.boolean() })
const ackSchema = v.object({ transaction_ids: v.pipe(v.array(shortText), v.maxLength(ACKNOWLEDGED_MAX)) })
const receiptSchema = v.object({
  data: v.optional(v.object({ ts: v.optional(v.pipe(v.number(), v.safeInteger()), 0), thread_id: v.optional(shortText) }), {}),
  event_ids: v.pipe(v.array(v.string()), v.minLength(1), v.maxLength(10)),
})

/** EDUs that must be durable before their transaction is answered, and that come before its events: keys before what they decrypt. */
const DURABLE_TYPES = new Set(['m.direct_to_device', 'm.device_list_update', 'm.signing_key_update', 'im.kith.ack', 'im.kith.invite', 'im.kith.relay_list'])

/** Takes the EDUs of other servers in. Malformed ones, and such as speak for another server's users, are dropped. */
export class Edus {
  readonly #parts: EdusParts

  constructor(parts: EdusParts) {
    this.#parts = parts
  }

  /** @throws storage failures. */
  async receiveDurable(origin: ServerName, edus: readonly JsonValue[], signal: AbortSignal): Promise<void> {
    for (const edu of edus) {
      const parsed = v.safeParse(eduSchema, edu)
      if (parsed.success && DURABLE_TYPES.has(parsed.output.edu_type)) {
        await this.#receive(origin, parsed.output.edu_type, parsed.output.content, signal)
      }
    }
  }

  async receiveEphemeral(origin: ServerName, edus: readonly JsonValue[], signal: AbortSignal): Promise<void> {
    for (const edu of edus) {
      const parsed = v.safeParse(eduSchema, edu)
      if (parsed.success && !DURABLE_TYPES.has(parsed.output.edu_type)) {
        await this.#receive(origin, parsed.output.edu_type, parsed.output.content, signal)
      }
    }
  }

  async #receive(origin: ServerName, type: string, content: JsonObject, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted()
    switch (type) {
      case 'm.direct_to_device':
        return this.#receiveToDevice(origin, content, signal)
      case 'm.device_list_update':
      case 'm.signing_key_update':
        return this.#receiveKeyChange(origin, content)
      case 'm.typing':
        return this.#receiveTyping(origin, content)
      case 'm.receipt':
        return this.#receiveReceipts(origin, content, signal)
      case 'im.kith.ack': {
        const ack = v.safeParse(ackSchema, content)
        if (ack.success) await this.#parts.acknowledge(origin, new Set(ack.output.transaction_ids))
        return
      }
      case 'im.kith.invite': {
        const outcome = await this.#parts.invites.receive(origin, content, signal)
        if (outcome.kind !== 'received') this.#parts.log.info('An invite was refused', { origin, reason: outcome.kind })
        return
      }
      case 'im.kith.relay_list':
        await this.#parts.relayLists.learn(origin, content)
        return
      default:
        // Presence, and what this server does not know.
        return
    }
  }

  async #receiveToDevice(origin: ServerName, content: JsonObject, signal: AbortSignal): Promise<void> {
    const parsed = v.safeParse(toDeviceSchema, content)
    if (!parsed.success || serverNameOf(parsed.output.sender) !== origin) return
    const { sender, type, message_id: messageId, messages } = parsed.output
    await this.#parts.users.receiveToDevice({ origin, sender, type, messageId, messages }, signal)
  }

  async #receiveKeyChange(origin: ServerName, content: JsonObject): Promise<void> {
    const parsed = v.safeParse(userSchema, content)
    if (parsed.success && serverNameOf(parsed.output.user_id) === origin) await this.#parts.userKeys.reportChange(parsed.output.user_id)
  }

  #receiveTyping(origin: ServerName, content: JsonObject): void {
    const parsed = v.safeParse(typingSchema, content)
    if (!parsed.success || serverNameOf(parsed.output.user_id) !== origin) return
    const roomId = parseRoomId(parsed.output.room_id)
    if (roomId === undefined || this.#parts.rooms.state(roomId)?.membershipOf(parsed.output.user_id) !== 'join') return
    this.#parts.users.receiveTyping({ roomId, userId: parsed.output.user_id, typing: parsed.output.typing })
  }

  async #receiveReceipts(origin: ServerName, content: JsonObject, signal: AbortSignal): Promise<void> {
    const receipts = [...this.#readReceipts(origin, content)].slice(0, RECEIPTS_MAX)
    if (receipts.length > 0) await this.#parts.users.receiveReceipts(receipts, signal)
  }

  *#readReceipts(origin: ServerName, content: JsonObject): Iterable<RemoteReceipt> {
    for (const [room, byType] of Object.entries(content)) {
      const roomId = parseRoomId(room)
      const state = roomId === undefined ? undefined : this.#parts.rooms.state(roomId)
      const byUser = isJsonObject(byType) ? byType['m.read'] : undefined
      if (roomId === undefined || state === undefined || !isJsonObject(byUser)) continue
      for (const [user, value] of Object.entries(byUser)) {
        const reader = parseUserId(user)
        const receipt = v.safeParse(receiptSchema, value)
        if (reader === undefined || !receipt.success || serverNameOf(reader) !== origin || state.membershipOf(reader) !== 'join') continue
        const eventId = parseEventId(receipt.output.event_ids[0])
        const { ts, thread_id: threadId } = receipt.output.data
        if (eventId === undefined) continue
        yield { roomId, userId: reader, type: 'm.read', eventId, timestamp: ts, ...(threadId === undefined ? {} : { threadId }) }
      }
    }
  }
}
