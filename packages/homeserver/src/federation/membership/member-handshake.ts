import { type EventId, eventIdOf, type JsonObject, type Pdu, type RoomVersion, type ServerName } from '@kith/matrix-protocol'
import type { Ports } from '../../ports/index.ts'
import type { Rooms } from '../../rooms/index.ts'
import type { PeerAnswer, PeerClient } from '../peer-client.ts'
import { readTemplate, versionsQuery, type WantedMembership } from './member-template.ts'
import { failureOf, isUnrecognized, type RemoteFailure } from './remote-refusal.ts'

export interface HandshakeParts {
  readonly ports: Pick<Ports, 'clock' | 'random'>
  readonly client: PeerClient
  readonly rooms: Rooms
  readonly serverName: ServerName
}

/** A membership event, signed here, that another server has still to take into the room. */
export interface SignedMembership {
  readonly kind: 'signed'
  readonly event: Pdu
  readonly eventId: EventId
  readonly version: RoomVersion
}

export interface SendOptions {
  readonly query?: string
  readonly timeoutMs?: number
}

const FEDERATION = '/_matrix/federation'

/** The two steps in which another server takes a membership of a local user into a room: make_… and send_…. */
export class MemberHandshake {
  readonly #parts: HandshakeParts

  constructor(parts: HandshakeParts) {
    this.#parts = parts
  }

  async make(
    server: ServerName,
    wanted: WantedMembership,
    options: { readonly timeoutMs?: number },
    signal: AbortSignal,
  ): Promise<SignedMembership | RemoteFailure> {
    const { membership, roomId, userId } = wanted
    const query = membership === 'leave' ? '' : `?${versionsQuery()}`
    const path = `${FEDERATION}/v1/make_${membership}/${encodeURIComponent(roomId)}/${encodeURIComponent(userId)}${query}`
    const answer = await this.#parts.client.call(server, { method: 'GET', path, ...options }, signal)
    if (answer.kind !== 'ok') return failureOf(answer)
    const { ports, rooms, serverName } = this.#parts
    const template = readTemplate(answer.body, wanted, { random: ports.random, serverName, now: ports.clock.now() })
    if (template === undefined) return { kind: 'unreachable', reason: `The template for the ${membership} is of no use` }
    const event = await rooms.signPdu(template.event, template.version)
    return { kind: 'signed', event, eventId: eventIdOf(event, template.version), version: template.version }
  }

  /** The same event may be sent again: whoever has taken it in answers as before. */
  async send(
    server: ServerName,
    wanted: WantedMembership,
    { event, eventId }: SignedMembership,
    options: SendOptions,
    signal: AbortSignal,
  ): Promise<PeerAnswer> {
    const { membership, roomId } = wanted
    const place = `send_${membership}/${encodeURIComponent(roomId)}/${encodeURIComponent(eventId)}`
    const { query = '', ...timeout } = options
    const call = { method: 'PUT', body: event as unknown as JsonObject, ...timeout } as const
    // send_knock has one version only.
    if (membership === 'knock') return this.#parts.client.call(server, { ...call, path: `${FEDERATION}/v1/${place}` }, signal)
    const answer = await this.#parts.client.call(server, { ...call, path: `${FEDERATION}/v2/${place}${query}` }, signal)
    if (!isUnrecognized(answer)) return answer
    return this.#parts.client.call(server, { ...call, path: `${FEDERATION}/v1/${place}` }, signal)
  }
}
