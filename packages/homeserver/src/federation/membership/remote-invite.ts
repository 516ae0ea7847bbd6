import {
  type EventId,
  eventIdOf,
  type JsonObject,
  parsePdu,
  type Pdu,
  type RoomId,
  type ServerName,
  serverNameOf,
  type UserId,
} from '@kith/matrix-protocol'
import type { RemoteInviteOutcome } from '../../client-api/federation-access.ts'
import { limits } from '../../limits.ts'
import type { Rooms } from '../../rooms/index.ts'
import type { TimelineTransaction } from '../../timeline/index.ts'
import { INVITE_EDU_TYPE, inviteBody } from '../invite-body.ts'
import type { PeerClient } from '../peer-client.ts'
import { failureOf } from './remote-membership.ts'

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

/** Invites users of other servers: by a request while their server is there, otherwise by an EDU that travels through relays. */
export class RemoteInvite {
  readonly #parts: RemoteInviteParts

  constructor(parts: RemoteInviteParts) {
    this.#parts = parts
  }

  async invite(input: InviteInput, signal: AbortSignal): Promise<RemoteInviteOutcome> {
    const server = serverNameOf(input.invitee)
    const draft = {
      type: 'm.room.member',
      stateKey: input.invitee,
      content: { ...input.content, membership: 'invite' },
      roomId: input.roomId,
      sender: input.sender,
    }
    const state = this.#parts.rooms.state(input.roomId)
    // A server in the room gets the invite like every other event.
    if (state?.isJoined(server) === true) return this.#send(draft, undefined, signal)
    const built = await this.#parts.rooms.buildEvent(draft, signal)
    const version = this.#parts.rooms.version(input.roomId)
    if (built.kind === 'denied') return built
    if (built.kind !== 'built' || version === undefined || state === undefined) return { kind: 'denied', rule: built.kind }
    const answer = await this.#ask(server, input.roomId, built.eventId, inviteBody(built.pdu, version, state), signal)
    if (answer.kind === 'refused' && answer.status !== 429) return failureOf(answer)
    const signed = answer.kind === 'ok' ? parsePdu(answer.body['event'], version) : undefined
    if (signed?.kind === 'ok' && eventIdOf(signed.pdu, version) === built.eventId) {
      return this.#commitSigned(input.roomId, signed.pdu, signal)
    }
    return this.#send(draft, server, signal)
  }

  #ask(server: ServerName, roomId: RoomId, eventId: EventId, body: JsonObject, signal: AbortSignal) {
    const path = `/_matrix/federation/v2/invite/${encodeURIComponent(roomId)}/${encodeURIComponent(eventId)}`
    return this.#parts.client.call(server, { method: 'PUT', path, body, timeoutMs: limits.implementation.interactiveTimeoutMs }, signal)
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
