import { authEventIdsOf, type ServerName } from '@kith/matrix-protocol'
import type { RemoteJoinOutcome } from '../../client-api/federation-access.ts'
import { limits } from '../../limits.ts'
import type { Clock } from '../../ports/clock.ts'
import type { Log } from '../../ports/log.ts'
import type { Rooms } from '../../rooms/index.ts'
import type { PeerAnswer } from '../peer-client.ts'
import type { CompleteRooms } from './complete-rooms.ts'
import { readJoinAnswer } from './join-answer.ts'
import type { MemberHandshake, SignedMembership } from './member-handshake.ts'
import type { WantedMembership } from './member-template.ts'
import type { JoinInput } from './remote-membership.ts'
import { failureOf, type RemoteFailure } from './remote-refusal.ts'

export interface RemoteJoinParts {
  readonly ports: { readonly log: Log; readonly clock: Clock }
  readonly rooms: Rooms
  readonly handshake: MemberHandshake
  readonly complete: CompleteRooms
}

/** One attempt to join a room through one server of it. Nothing is stored unless all of the answer holds. */
export class RemoteJoin {
  readonly #parts: RemoteJoinParts

  constructor(parts: RemoteJoinParts) {
    this.#parts = parts
  }

  async joinBy(server: ServerName, input: JoinInput, signal: AbortSignal): Promise<RemoteJoinOutcome> {
    const { roomId, userId, content } = input
    const wanted: WantedMembership = { roomId, userId, content, membership: 'join' }
    const made = await this.#makeInformed(server, wanted, signal)
    if (made.kind !== 'signed') return made
    const answer = await this.#send(server, wanted, made, signal)
    if (answer.kind !== 'ok') return failureOf(answer)
    const read = readJoinAnswer(answer.body, server, roomId, made)
    if (read.kind === 'bad') return this.#distrust(server, read.reason)
    const { event, state, authChain, servers } = read
    const partial = servers === undefined ? {} : { partial: { servers: [...new Set([server, ...servers])] } }
    const installed = await this.#parts.rooms.installJoined({ version: made.version.id, event, state, authChain, ...partial }, signal)
    if (installed.kind === 'invalid') return this.#distrust(server, installed.reason)
    if (this.#parts.rooms.isPartial(roomId)) this.#parts.complete.begin(roomId)
    return { kind: 'joined', roomId }
  }

  /**
   * The join must follow what this server did in the room last. The event by which its user left may still be on its way to the server
   * that is asked: a join beside it would count there, or not, as state resolution has it, and each side would believe another thing.
   */
  async #makeInformed(server: ServerName, wanted: WantedMembership, signal: AbortSignal): Promise<SignedMembership | RemoteFailure> {
    const { joinInformedAttemptsMax, joinInformedRetryMs } = limits.implementation
    for (let attempt = 1; ; attempt++) {
      const made = await this.#parts.handshake.make(server, wanted, {}, signal)
      if (made.kind !== 'signed' || !(await this.#isBehind(made, wanted))) return made
      if (attempt === joinInformedAttemptsMax) return { kind: 'unreachable', reason: 'The server has not heard yet how the user left' }
      await this.#parts.ports.clock.sleep(joinInformedRetryMs, signal)
    }
  }

  /** Whether the template cites a membership of the user that is known here, and is not the last. */
  async #isBehind({ event }: SignedMembership, { roomId, userId }: WantedMembership): Promise<boolean> {
    const last = this.#parts.rooms.state(roomId)?.get('m.room.member', userId)
    const cited = authEventIdsOf(event)
    if (last === undefined || cited.includes(last.eventId)) return false
    const known = await this.#parts.rooms.events(cited)
    return known.some((each) => each?.pdu.type === 'm.room.member' && each.pdu.state_key === userId && each.pdu.depth < last.pdu.depth)
  }

  /** Who accepted the join and whose answer was lost answers the same event again. */
  async #send(server: ServerName, wanted: WantedMembership, made: SignedMembership, signal: AbortSignal): Promise<PeerAnswer> {
    const options = { query: '?omit_members=true', timeoutMs: limits.implementation.joinTimeoutMs }
    const answer = await this.#parts.handshake.send(server, wanted, made, options, signal)
    return answer.kind === 'ok' || answer.kind === 'refused' ? answer : this.#parts.handshake.send(server, wanted, made, options, signal)
  }

  #distrust(server: ServerName, reason: string): RemoteJoinOutcome {
    this.#parts.ports.log.warn('A server answered a join with a room that does not hold', { server, reason })
    return { kind: 'unreachable', reason: `What a server told of the room does not hold: ${reason}` }
  }
}
