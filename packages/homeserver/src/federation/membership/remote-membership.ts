import {
  addContentHash,
  eventIdOf,
  type JsonObject,
  parsePdu,
  type Pdu,
  type RoomId,
  type RoomVersion,
  type ServerName,
  serverNameOf,
  type UserId,
} from '@kith/matrix-protocol'
import type { RemoteJoinOutcome, RemoteLeaveOutcome, RemoteRefusal, Unreachable } from '../../client-api/federation-access.ts'
import { limits } from '../../limits.ts'
import type { Ports } from '../../ports/index.ts'
import type { Rooms } from '../../rooms/index.ts'
import { parsePdus } from '../fetch/parse-pdus.ts'
import { serversToAsk } from '../fetch/servers-to-ask.ts'
import type { JoinsUnderWay } from '../ingest/joins-under-way.ts'
import type { PeerAnswer, PeerClient } from '../peer-client.ts'
import { readTemplate, versionsQuery } from './member-template.ts'

export interface RemoteMembershipParts {
  readonly ports: Pick<Ports, 'clock' | 'network' | 'log'>
  readonly client: PeerClient
  readonly rooms: Rooms
  readonly joins: JoinsUnderWay
  readonly serverName: ServerName
}

export interface JoinInput {
  readonly roomId: RoomId
  readonly userId: UserId
  readonly via: readonly ServerName[]
  readonly content: JsonObject
}

const FEDERATION_V1 = '/_matrix/federation/v1'
const FEDERATION_V2 = '/_matrix/federation/v2'

/** Joining and leaving rooms with the help of a server that is in them. */
export class RemoteMembership {
  readonly #parts: RemoteMembershipParts

  constructor(parts: RemoteMembershipParts) {
    this.#parts = parts
  }

  /** Asks one server after the other until one lets the user in. */
  async join(input: JoinInput, signal: AbortSignal): Promise<RemoteJoinOutcome> {
    return this.#parts.joins.track(input.roomId, this.#joinByAny(input, signal))
  }

  async leave(input: Omit<JoinInput, 'via'>, signal: AbortSignal): Promise<RemoteLeaveOutcome> {
    const tries = new Tries()
    for (const server of this.#servers(input.roomId, input.userId, [])) {
      const failure = await this.#leaveBy(server, input, signal)
      if (failure === undefined) {
        await this.#parts.rooms.dropInvite(input.roomId, input.userId, signal)
        return { kind: 'left' }
      }
      tries.add(failure)
    }
    return tries.outcome()
  }

  async #joinByAny(input: JoinInput, signal: AbortSignal): Promise<RemoteJoinOutcome> {
    const tries = new Tries()
    for (const server of this.#servers(input.roomId, input.userId, input.via)) {
      const outcome = await this.#joinBy(server, input, signal)
      if (outcome.kind === 'joined') return outcome
      tries.add(outcome)
    }
    return tries.outcome()
  }

  async #joinBy(server: ServerName, input: JoinInput, signal: AbortSignal): Promise<RemoteJoinOutcome> {
    const made = await this.#make('join', server, input, signal)
    if (made.kind !== 'signed') return made
    const { event, version } = made
    const path = `${FEDERATION_V2}/send_join/${encodeURIComponent(input.roomId)}/${encodeURIComponent(eventIdOf(event, version))}`
    const call = { method: 'PUT', path, body: event as unknown as JsonObject, timeoutMs: limits.implementation.joinTimeoutMs } as const
    const answer = await this.#parts.client.call(server, call, signal)
    if (answer.kind !== 'ok') return failureOf(answer)
    const state = parsePdus(answer.body['state'], version, limits.implementation.stateEventsMax)
    const authChain = parsePdus(answer.body['auth_chain'], version, limits.implementation.stateEventsMax)
    if (state === undefined || authChain === undefined) return { kind: 'unreachable', reason: 'The answer to send_join is malformed' }
    const install = {
      version: version.id,
      event: countersigned(answer.body, event, version),
      state: [...state.values()],
      authChain: [...authChain.values()],
    }
    const installed = await this.#parts.rooms.installJoined(install, signal)
    if (installed.kind === 'invalid') {
      this.#parts.ports.log.warn('A server answered a join with a state that does not hold', { server, reason: installed.reason })
      return { kind: 'unreachable', reason: 'The state that came with the join is not valid' }
    }
    if (this.#parts.rooms.invite(input.roomId, input.userId) !== undefined) {
      await this.#parts.rooms.dropInvite(input.roomId, input.userId, signal)
    }
    return { kind: 'joined', roomId: installed.roomId }
  }

  async #leaveBy(server: ServerName, input: Omit<JoinInput, 'via'>, signal: AbortSignal): Promise<RemoteRefusal | Unreachable | undefined> {
    const made = await this.#make('leave', server, input, signal)
    if (made.kind !== 'signed') return made
    const eventId = eventIdOf(made.event, made.version)
    const path = `${FEDERATION_V2}/send_leave/${encodeURIComponent(input.roomId)}/${encodeURIComponent(eventId)}`
    const answer = await this.#parts.client.call(server, { method: 'PUT', path, body: made.event as unknown as JsonObject }, signal)
    return answer.kind === 'ok' ? undefined : failureOf(answer)
  }

  async #make(
    membership: 'join' | 'leave',
    server: ServerName,
    { roomId, userId, content }: Omit<JoinInput, 'via'>,
    signal: AbortSignal,
  ): Promise<{ readonly kind: 'signed'; readonly event: Pdu; readonly version: RoomVersion } | RemoteRefusal | Unreachable> {
    const query = membership === 'join' ? `?${versionsQuery()}` : ''
    const path = `${FEDERATION_V1}/make_${membership}/${encodeURIComponent(roomId)}/${encodeURIComponent(userId)}${query}`
    const answer = await this.#parts.client.call(server, { method: 'GET', path }, signal)
    if (answer.kind !== 'ok') return failureOf(answer)
    const template = readTemplate(answer.body, { roomId, userId, membership, content, now: this.#parts.ports.clock.now() })
    if (template === undefined) return { kind: 'unreachable', reason: `The template for the ${membership} is of no use` }
    const event = await this.#parts.rooms.signPdu(addContentHash(template.event), template.version)
    return { kind: 'signed', event, version: template.version }
  }

  #servers(roomId: RoomId, userId: UserId, via: readonly ServerName[]): ServerName[] {
    const invite = this.#parts.rooms.invite(roomId, userId)
    const inviting = invite === undefined ? [] : [serverNameOf(invite.event.sender)]
    const { rooms, serverName, ports } = this.#parts
    return serversToAsk({ rooms, network: ports.network, serverName }, roomId, [...via, ...inviting])
  }
}

/** The join as the answering server returned it, perhaps with a further signature; ours when that is another event. */
function countersigned(body: JsonObject, event: Pdu, version: RoomVersion): Pdu {
  const parsed = parsePdu(body['event'], version)
  return parsed.kind === 'ok' && eventIdOf(parsed.pdu, version) === eventIdOf(event, version) ? parsed.pdu : event
}

export function failureOf(answer: Exclude<PeerAnswer, { kind: 'ok' }>): RemoteRefusal | Unreachable {
  if (answer.kind !== 'refused') return { kind: 'unreachable', reason: answer.reason }
  return { kind: 'refused', status: answer.status, errcode: answer.errcode, reason: answer.reason }
}

/** What came of asking several servers: a refusal says more than a silence. */
class Tries {
  #worst: RemoteRefusal | Unreachable = { kind: 'unreachable', reason: 'No server of the room is known' }

  add(failure: RemoteRefusal | Unreachable): void {
    if (this.#worst.kind !== 'refused') this.#worst = failure
  }

  outcome(): RemoteRefusal | Unreachable {
    return this.#worst
  }
}
