import { isJsonObject, type JsonObject, type JsonValue, ownMember, parseRoomId, type ServerName } from '@kith/matrix-protocol'
import * as v from 'valibot'
import { limits } from '../../limits.ts'
import type { Clock } from '../../ports/clock.ts'
import type { Log } from '../../ports/log.ts'
import type { RelayLists } from '../../relay/relay-lists.ts'
import type { Rooms } from '../../rooms/index.ts'
import type { LocalUsers } from '../local-users.ts'
import type { InviteReceiver } from '../membership/receive-invite.ts'
import { originMayAct } from '../origin-may-act.ts'
import { type MissingByMail, MISSING_EDU_TYPE } from './missing-by-mail.ts'
import type { TakenInvites } from './taken-invites.ts'

export interface EdusParts {
  readonly rooms: Pick<Rooms, 'state'>
  readonly users: LocalUsers
  readonly invites: InviteReceiver
  readonly takenInvites: TakenInvites
  readonly missingByMail: MissingByMail
  readonly clock: Clock
  readonly relayLists: RelayLists
  readonly log: Log
  /** Settles outbox rows of the server that acknowledges. */
  readonly acknowledge: (server: ServerName, transactionIds: ReadonlySet<string>) => Promise<void>
}

const shortText = v.pipe(v.string(), v.maxLength(limits.implementation.nameCharactersMax))
const eduSchema = v.object({ edu_type: shortText, content: v.custom<JsonObject>(isJsonObject) })
const ackSchema = v.object({ transaction_ids: v.pipe(v.array(shortText), v.maxLength(limits.implementation.acknowledgedPerEduMax)) })

const EPHEMERAL_TYPES = new Set(['m.typing', 'm.receipt', 'm.presence'])

/** Whether nothing of the EDU is worth remembering once it was taken in. */
export function isEphemeral(edu: JsonValue): boolean {
  const type = ownMember(isJsonObject(edu) ? edu : undefined, 'edu_type')
  return typeof type === 'string' && EPHEMERAL_TYPES.has(type)
}

/** Takes the EDUs of other servers in. Malformed and unknown ones are dropped. */
export class Edus {
  readonly #parts: EdusParts

  constructor(parts: EdusParts) {
    this.#parts = parts
  }

  /** What must be known before the events of the same transaction: keys before what they decrypt. @throws storage failures. */
  async receiveBeforeEvents(origin: ServerName, edus: readonly JsonValue[], signal: AbortSignal): Promise<void> {
    await this.#receiveAll(origin, edus, (type) => !EPHEMERAL_TYPES.has(type), signal)
  }

  /** What speaks of events. @throws storage failures. */
  async receiveAfterEvents(origin: ServerName, edus: readonly JsonValue[], signal: AbortSignal): Promise<void> {
    await this.#receiveAll(origin, edus, (type) => EPHEMERAL_TYPES.has(type), signal)
  }

  async #receiveAll(
    origin: ServerName,
    edus: readonly JsonValue[],
    isWanted: (type: string) => boolean,
    signal: AbortSignal,
  ): Promise<void> {
    for (const edu of edus) {
      const parsed = v.safeParse(eduSchema, edu)
      if (!parsed.success || !isWanted(parsed.output.edu_type)) continue
      signal.throwIfAborted()
      await this.#receive(origin, parsed.output.edu_type, parsed.output.content, signal)
    }
  }

  async #receive(origin: ServerName, type: string, content: JsonObject, signal: AbortSignal): Promise<void> {
    switch (type) {
      case 'm.direct_to_device':
      case 'm.device_list_update':
      case 'm.signing_key_update':
      case 'm.presence':
        return this.#parts.users.receiveEdu(origin, type, content)
      case 'm.typing':
        if (this.#mayActIn(ownMember(content, 'room_id'), origin)) await this.#parts.users.receiveEdu(origin, type, content)
        return
      case 'm.receipt': {
        const allowed = Object.entries(content).filter(([roomId]) => this.#mayActIn(roomId, origin))
        if (allowed.length > 0) await this.#parts.users.receiveEdu(origin, type, Object.fromEntries(allowed))
        return
      }
      case 'im.kith.ack': {
        const ack = v.safeParse(ackSchema, content)
        if (ack.success) await this.#parts.acknowledge(origin, new Set(ack.output.transaction_ids))
        return
      }
      case 'im.kith.invite': {
        if (await this.#parts.takenInvites.has(origin, content)) return
        const outcome = await this.#parts.invites.receive(origin, undefined, content, signal)
        if (outcome.kind === 'received') await this.#parts.takenInvites.remember(origin, content, this.#parts.clock.now())
        if (outcome.kind !== 'received') this.#parts.log.info('An invite was refused', { origin, reason: outcome.kind })
        return
      }
      case 'im.kith.leave':
        await this.#parts.invites.receiveLeave(origin, content, signal)
        return
      case MISSING_EDU_TYPE:
        await this.#parts.missingByMail.answer(origin, content, signal)
        return
      case 'im.kith.relay_list':
        await this.#parts.relayLists.learn(origin, content)
        return
      default:
        // What this server does not know.
        return
    }
  }

  /** @see https://spec.matrix.org/latest/server-server-api/#server-access-control-lists-acls */
  #mayActIn(room: unknown, origin: ServerName): boolean {
    const roomId = parseRoomId(room)
    return roomId !== undefined && originMayAct(this.#parts.rooms, roomId, origin)
  }
}
