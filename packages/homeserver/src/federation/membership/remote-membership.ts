import {
  type JsonObject,
  roomVersion,
  type RoomId,
  type ServerName,
  serverNameOf,
  serverNameOfRoomId,
  type UserId,
} from '@kith/matrix-protocol'
import type { RemoteJoinOutcome, RemoteKnockOutcome, RemoteLeaveOutcome } from '../../client-api/federation-access.ts'
import { limits } from '../../limits.ts'
import type { Ports } from '../../ports/index.ts'
import type { Rooms } from '../../rooms/index.ts'
import { serversToAsk } from '../fetch/servers-to-ask.ts'
import type { JoinsUnderWay } from '../ingest/joins-under-way.ts'
import type { PeerClient } from '../peer-client.ts'
import { KeyedQueue } from '../../keyed-queue.ts'
import type { CompleteRooms } from './complete-rooms.ts'
import { declineEvent, LEAVE_EDU_TYPE, leaveEdu } from './decline-event.ts'
import { checkInviteState } from './invite-state.ts'
import { joinHeldRoom } from './join-held-room.ts'
import { MemberHandshake } from './member-handshake.ts'
import type { AskedMembership, WantedMembership } from './member-template.ts'
import { RemoteJoin } from './remote-join.ts'
import { failureOf, type RemoteFailure, Tries } from './remote-refusal.ts'

export interface RemoteMembershipParts {
  readonly ports: Pick<Ports, 'clock' | 'random' | 'crypto' | 'network' | 'log'>
  readonly client: PeerClient
  readonly rooms: Rooms
  readonly joins: JoinsUnderWay
  readonly complete: CompleteRooms
  readonly serverName: ServerName
}

export interface MembershipInput {
  readonly roomId: RoomId
  readonly userId: UserId
  readonly content: JsonObject
}

export type JoinInput = MembershipInput & { readonly via: readonly ServerName[] }

/** Joining, leaving and knocking with the help of servers that are in the room. */
export class RemoteMembership {
  readonly #parts: RemoteMembershipParts
  readonly #handshake: MemberHandshake
  readonly #join: RemoteJoin
  /** Changes of one room that local users ask for, one after the other: the second join finds the room here. */
  readonly #queue = new KeyedQueue<RoomId>()

  constructor(parts: RemoteMembershipParts) {
    this.#parts = parts
    this.#handshake = new MemberHandshake(parts)
    this.#join = new RemoteJoin({ ...parts, handshake: this.#handshake })
  }

  /** Asks one server after the other until one lets the user in. */
  async join(input: JoinInput, signal: AbortSignal): Promise<RemoteJoinOutcome> {
    const join = this.#queue.run(input.roomId, () => this.#joinInTurn(input, signal))
    return this.#parts.joins.track(input.roomId, join)
  }

  async knock(input: JoinInput, signal: AbortSignal): Promise<RemoteKnockOutcome> {
    return this.#queue.run(input.roomId, async () => {
      signal.throwIfAborted()
      const tries = new Tries()
      for (const server of this.#servers(input)) {
        const failure = await this.#knockAt(server, input, signal)
        if (failure === undefined) return { kind: 'knocked', roomId: input.roomId }
        tries.add(failure)
      }
      return tries.outcome()
    })
  }

  /** The invite or knock is gone here in any case. When nobody could be told now, the server that invited hears of it later. */
  async leave(input: MembershipInput, signal: AbortSignal): Promise<RemoteLeaveOutcome> {
    return this.#queue.run(input.roomId, async () => {
      signal.throwIfAborted()
      const tries = new Tries()
      for (const server of this.#servers({ ...input, via: [] }).slice(0, limits.implementation.leaveServersToldMax)) {
        const failure = await this.#leaveBy(server, input, signal)
        if (failure === undefined) {
          await this.#parts.rooms.dropInvite(input.roomId, input.userId, signal)
          return { kind: 'left' }
        }
        tries.add(failure)
      }
      const failure = tries.outcome()
      // Who refuses says that the user is neither invited nor waiting any more.
      await (failure.kind === 'refused'
        ? this.#parts.rooms.dropInvite(input.roomId, input.userId, signal)
        : this.#leaveUntold(input, signal))
      return { kind: 'left-here', reason: failure.reason }
    })
  }

  async #joinInTurn(input: JoinInput, signal: AbortSignal): Promise<RemoteJoinOutcome> {
    signal.throwIfAborted()
    const { rooms, serverName } = this.#parts
    const held = await joinHeldRoom({ rooms, serverName }, input, signal)
    if (held !== undefined) return held
    const tries = new Tries()
    for (const server of this.#servers(input)) {
      const outcome = await this.#join.joinBy(server, input, signal)
      if (outcome.kind === 'joined') return outcome
      tries.add(outcome)
    }
    return tries.outcome()
  }

  async #knockAt(server: ServerName, input: MembershipInput, signal: AbortSignal): Promise<RemoteFailure | undefined> {
    const { roomId, userId } = input
    const { rooms, ports } = this.#parts
    const wanted = wantedOf('knock', input)
    const made = await this.#handshake.make(server, wanted, {}, signal)
    if (made.kind !== 'signed') return made
    const { event, version } = made
    const answer = await this.#handshake.send(server, wanted, made, {}, signal)
    if (answer.kind !== 'ok') return failureOf(answer)
    const state = await checkInviteState(ports.crypto, answer.body['knock_room_state'], { roomId, version })
    // The knock stands, whatever came with it.
    if (state.kind === 'bad') ports.log.warn('A server answered a knock with a state that does not hold', { server, reason: state.reason })
    const strippedState = state.kind === 'ok' ? state.events : []
    const knock = { roomId, userId, version: version.id, event, strippedState, via: [server] }
    if (rooms.state(roomId)?.isJoined(this.#parts.serverName) === true || (await rooms.putInvite(knock, signal))) return undefined
    return { kind: 'refused', status: 403, errcode: 'M_FORBIDDEN', reason: 'You have too many invites and knocks' }
  }

  async #leaveBy(server: ServerName, input: MembershipInput, signal: AbortSignal): Promise<RemoteFailure | undefined> {
    const wanted = wantedOf('leave', input)
    const patience = { timeoutMs: limits.implementation.interactiveTimeoutMs }
    const made = await this.#handshake.make(server, wanted, patience, signal)
    if (made.kind !== 'signed') return made
    const answer = await this.#handshake.send(server, wanted, made, patience, signal)
    return answer.kind === 'ok' ? undefined : failureOf(answer)
  }

  /** The invite goes, and word of it into the outbox of the server that has the room, in one commit. */
  async #leaveUntold(input: MembershipInput, signal: AbortSignal): Promise<void> {
    const { rooms, ports, serverName } = this.#parts
    const invite = rooms.invite(input.roomId, input.userId) ?? rooms.knock(input.roomId, input.userId)
    const version = invite === undefined ? undefined : roomVersion(invite.version)
    if (invite === undefined || version === undefined) return
    const reader = { random: ports.random, serverName, now: ports.clock.now() }
    const declined = declineEvent(invite, version, input.content, reader)
    const event = declined === undefined ? undefined : await rooms.signPdu(declined, version)
    const [destination] = invite.via ?? [serverNameOf(invite.event.sender)]
    await rooms.dropInvite(input.roomId, input.userId, signal, (transaction) => {
      if (event === undefined || destination === undefined) return
      transaction.enqueue(destination, { kind: 'edu', type: LEAVE_EDU_TYPE, content: leaveEdu(event, version) })
    })
  }

  /** The servers named, those of the invite or the knock, the members that are known, and the one that made the room. */
  #servers({ roomId, userId, via }: Omit<JoinInput, 'content'>): ServerName[] {
    const { rooms, serverName, ports } = this.#parts
    const invite = rooms.invite(roomId, userId)
    const knock = rooms.knock(roomId, userId)
    const inviting = invite === undefined ? [] : [serverNameOf(invite.event.sender)]
    const founder = serverNameOfRoomId(roomId)
    const named = [...via, ...inviting, ...(knock?.via ?? [])]
    const servers = serversToAsk({ rooms, network: ports.network, serverName }, roomId, named)
    if (founder !== undefined && founder !== serverName && !servers.includes(founder)) servers.push(founder)
    return servers
  }
}

function wantedOf(membership: AskedMembership, { roomId, userId, content }: MembershipInput): WantedMembership {
  return { roomId, userId, content, membership }
}
