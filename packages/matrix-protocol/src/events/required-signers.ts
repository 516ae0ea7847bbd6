import { parseUserId, type ServerName, serverNameOf, serverNameOfEventId } from '../ids/ids.ts'
import { ownMember, ownString } from '../json/json-value.ts'
import type { RoomVersion } from '../room-versions/room-version.ts'
import type { Pdu } from './pdu.ts'

/**
 * The servers that must have signed the event.
 * @see https://spec.matrix.org/latest/server-server-api/#validating-hashes-and-signatures-on-received-events
 */
export function requiredSigners(pdu: Pdu, version: RoomVersion): ServerName[] {
  const signers = new Set<ServerName>()
  // An invite through an identity server is written by the invited server in the name of the inviter; its own signature is in the content.
  if (!isThirdPartyInvite(pdu)) signers.add(serverNameOf(pdu.sender))
  if (version.eventIdServerSigns && pdu.event_id !== undefined) {
    const server = serverNameOfEventId(pdu.event_id)
    if (server !== undefined) signers.add(server)
  }
  if (version.restrictedJoins && pdu.type === 'm.room.member') {
    const authorisedVia = parseUserId(ownMember(pdu.content, 'join_authorised_via_users_server'))
    if (authorisedVia !== undefined) signers.add(serverNameOf(authorisedVia))
  }
  return [...signers]
}

function isThirdPartyInvite(pdu: Pdu): boolean {
  return (
    pdu.type === 'm.room.member' &&
    ownString(pdu.content, 'membership') === 'invite' &&
    ownMember(pdu.content, 'third_party_invite') !== undefined
  )
}
