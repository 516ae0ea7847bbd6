import {
  type EventId,
  isJsonObject,
  type JsonObject,
  parsePdu,
  type Pdu,
  type RoomId,
  type RoomVersion,
  type ServerName,
  serverNameOf,
  signatureOf,
  SIGNING_KEY_ID,
  type UserId,
  withSignature,
} from '@kith/matrix-protocol'
import type { RemoteInviteOutcome } from '../../client-api/federation-access.ts'
import { limits } from '../../limits.ts'
import type { Rooms } from '../../rooms/index.ts'
import type { TimelineTransaction } from '../../timeline/index.ts'
import { INVITE_EDU_TYPE, inviteBody } from '../invite-body.ts'
import type { PeerAnswer, PeerClient } from '../peer-client.ts'
import { failureOf } from './remote-refusal.ts'

export interface RemoteInviteParts {
  readonly client: PeerClient
  readonly rooms: Rooms
}

export interface InviteInput {
  readonly roomId: RoomId
  readonly sender: UserId
  readonly invitee: UserId
  readonly content: JsonObject
}

interface BuiltInvite {
  readonly roomId: RoomId
  readonly eventId: EventId
  readonly pdu: Pdu
  readonly version: RoomVersion
}

/** Invites users of other servers: by a request while their server is there, otherwise by an EDU that travels through relays. */
export class RemoteInvite {
  readonly #parts: RemoteInviteParts

  constructor(parts: RemoteInviteParts) {
    this.#parts = parts
  }

  async invite(input: InviteInput, signal: AbortSignal): Promise<RemoteInviteOutcome> {
    const { rooms } = this.#parts
    const { roomId, sender, invitee } = input
    const server = serverNameOf(invitee)
    const draft = { type: 'm.room.member', stateKey: invitee, content: { ...input.content, membership: 'invite' }, roomId, sender }
    // A server in the room gets the invite like every other event.
    if (rooms.state(roomId)?.isJoined(server) === true) return this.#send(draft, undefined, signal)
    const built = await rooms.buildEvent(draft, signal)
    const version = rooms.version(roomId)
    const state = rooms.state(roomId)
    if (built.kind === 'denied') return built
    if (built.kind !== 'built' || version === undefined || state === undefined) return { kind: 'denied', rule: built.kind }
    const invite = { roomId, eventId: built.eventId, pdu: built.pdu, version }
    const answer = await this.#ask(server, invite, inviteBody(built.pdu, version, state), signal)
    if (answer.kind === 'refused' && answer.status !== 429) return failureOf(answer)
    const signature = answer.kind === 'ok' ? signatureIn(answer.body, server, version) : undefined
    if (signature === undefined) return this.#send(draft, server, signal)
    return this.#commitSigned(roomId, withSignature(built.pdu, server, SIGNING_KEY_ID, signature), signal)
  }

  async #ask(server: ServerName, { roomId, eventId, version }: BuiltInvite, body: JsonObject, signal: AbortSignal): Promise<PeerAnswer> {
    const place = `invite/${encodeURIComponent(roomId)}/${encodeURIComponent(eventId)}`
    const call = { method: 'PUT', timeoutMs: limits.implementation.interactiveTimeoutMs } as const
    const answer = await this.#parts.client.call(server, { ...call, path: `/_matrix/federation/v2/${place}`, body }, signal)
    const isOlder = answer.kind === 'refused' && (answer.status === 400 || answer.status === 404)
    if (!isOlder || version.eventIds !== 'given') return answer
    // Whoever knows only the first version of the endpoint knows only the room versions for which that was made.
    const event = isJsonObject(body['event']) ? body['event'] : {}
    const unsigned = { invite_room_state: body['invite_room_state'] ?? [] }
    return this.#parts.client.call(server, { ...call, path: `/_matrix/federation/v1/${place}`, body: { ...event, unsigned } }, signal)
  }

  async #commitSigned(roomId: RoomId, event: Pdu, signal: AbortSignal): Promise<RemoteInviteOutcome> {
    const outcome = await this.#parts.rooms.receiveAndForward(roomId, event, signal)
    switch (outcome.kind) {
      case 'accepted':
      case 'duplicate':
        return { kind: 'invited', eventId: outcome.eventId }
      case 'soft-failed':
      case 'rejected':
        return { kind: 'denied', rule: outcome.reason }
      default:
        return { kind: 'denied', rule: outcome.kind }
    }
  }

  /** `byOutbox`: the server that is away and gets the invite as an EDU, in the same commit. */
  async #send(
    draft: Parameters<Rooms['buildEvent']>[0],
    byOutbox: ServerName | undefined,
    signal: AbortSignal,
  ): Promise<RemoteInviteOutcome> {
    const extraWrites =
      byOutbox === undefined
        ? {}
        : {
            extraWrites: (transaction: TimelineTransaction, eventId: EventId): void =>
              transaction.enqueue(byOutbox, { kind: 'edu', type: INVITE_EDU_TYPE, content: { room_id: draft.roomId, event_id: eventId } }),
          }
    const outcome = await this.#parts.rooms.send({ ...draft, ...extraWrites }, signal)
    if (outcome.kind === 'denied') return outcome
    if (outcome.kind !== 'sent') return { kind: 'denied', rule: outcome.kind }
    return { kind: 'invited', eventId: outcome.eventId }
  }
}

/** Of the answer only the other server's signature counts: the event is this server's own. */
function signatureIn(body: JsonObject, server: ServerName, version: RoomVersion): Uint8Array | undefined {
  const parsed = parsePdu(body['event'], version)
  return parsed.kind === 'ok' ? signatureOf(parsed.pdu, server, SIGNING_KEY_ID) : undefined
}
