import {
  type JsonObject,
  localpartOf,
  ownString,
  parseRoomId,
  parseUserId,
  type RoomId,
  type ServerName,
  serverNameOf,
  type UserId,
} from '@kith/matrix-protocol'
import type { RemoteInviteOutcome } from '../../client-api/federation-access.ts'
import { limits } from '../../limits.ts'
import type { Rooms } from '../../rooms/index.ts'
import type { PeerClient } from '../peer-client.ts'
import type { RemoteInvite } from './remote-invite.ts'

/** An invite to an address that an identity server has since bound to a user. The room's rules check what it signed. */
export interface BoundInvite {
  readonly roomId: RoomId
  /** Who invited the address. */
  readonly sender: UserId
  readonly invitee: UserId
  readonly displayName: string
  /** `{mxid, token, signatures}` */
  readonly signed: JsonObject
}

export interface ThirdPartyInvitesParts {
  readonly rooms: Rooms
  readonly client: PeerClient
  readonly invites: RemoteInvite
  readonly serverName: ServerName
}

/** Turns invites to addresses into invites of users. This server has no identity server of its own; those of others may write to it. */
export class ThirdPartyInvites {
  readonly #parts: ThirdPartyInvitesParts

  constructor(parts: ThirdPartyInvitesParts) {
    this.#parts = parts
  }

  /** Invites in the name of a user of this server, who invited the address. */
  async exchange(invite: BoundInvite, signal: AbortSignal): Promise<RemoteInviteOutcome> {
    const { rooms, serverName, invites } = this.#parts
    const { roomId, sender, invitee, signed } = invite
    // The proof stands in the room for everybody to read, and the auth rules would let it make an invited user of a member.
    const present = rooms.state(roomId)?.get('m.room.member', invitee)
    const membership = present === undefined ? undefined : ownString(present.pdu.content, 'membership')
    if (present !== undefined && (membership === 'invite' || membership === 'join')) return { kind: 'invited', eventId: present.eventId }
    const content = { membership: 'invite', third_party_invite: { display_name: this.#displayName(invite), signed } }
    if (serverNameOf(invitee) !== serverName) return invites.invite({ roomId, sender, invitee, content }, signal)
    const outcome = await rooms.send({ roomId, sender, type: 'm.room.member', stateKey: invitee, content }, signal)
    if (outcome.kind === 'sent') return { kind: 'invited', eventId: outcome.eventId }
    return { kind: 'denied', rule: outcome.kind === 'denied' ? outcome.rule : outcome.kind }
  }

  /**
   * A user of this server has proved to own an address: the servers that invited it hear of that. What they answer is theirs to judge.
   * One after the other: nobody shall make this server dial many strangers at once.
   */
  async bound(invites: readonly BoundInvite[], signal: AbortSignal): Promise<void> {
    for (const invite of invites.slice(0, limits.implementation.thirdPartyInvitesMax)) await this.#ask(invite, signal)
  }

  async #ask(invite: BoundInvite, signal: AbortSignal): Promise<void> {
    const server = serverNameOf(invite.sender)
    if (server === this.#parts.serverName) {
      await this.exchange(invite, signal)
      return
    }
    const { roomId, sender, invitee, displayName, signed } = invite
    const content = { membership: 'invite', third_party_invite: { display_name: displayName, signed } }
    const body = { type: 'm.room.member', room_id: roomId, sender, state_key: invitee, content }
    const path = `/_matrix/federation/v1/exchange_third_party_invite/${encodeURIComponent(roomId)}`
    await this.#parts.client.call(server, { method: 'PUT', path, body, timeoutMs: limits.implementation.interactiveTimeoutMs }, signal)
  }

  /** The name under which the address was invited, where the room knows it. */
  #displayName({ roomId, signed, displayName }: BoundInvite): string {
    const token = ownString(signed, 'token') ?? ''
    const invited = this.#parts.rooms.state(roomId)?.get('m.room.third_party_invite', token)
    return ownString(invited?.pdu.content, 'display_name') ?? displayName
  }
}

/** Undefined unless all of it fits together: the identity server signed for this very user. */
export function boundInvite(input: {
  readonly roomId: unknown
  readonly sender: unknown
  readonly invitee: unknown
  readonly displayName?: string | undefined
  readonly signed: JsonObject
}): BoundInvite | undefined {
  const roomId = parseRoomId(input.roomId)
  const sender = parseUserId(input.sender)
  const invitee = parseUserId(input.invitee)
  if (roomId === undefined || sender === undefined || invitee === undefined || input.signed['mxid'] !== invitee) return undefined
  return { roomId, sender, invitee, signed: input.signed, displayName: input.displayName ?? localpartOf(invitee) }
}
