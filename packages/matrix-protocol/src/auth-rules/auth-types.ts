import type { Pdu } from '../events/pdu.ts'
import type { TypeAndStateKey } from '../events/state-map.ts'
import { ownObject, ownString } from '../json/json-value.ts'
import type { RoomVersion } from '../room-versions/room-version.ts'

/**
 * The state that authorises an event, and so what its `auth_events` are picked from.
 * @see https://spec.matrix.org/latest/server-server-api/#auth-events-selection
 */
export function authTypesFor(event: Pick<Pdu, 'type' | 'sender' | 'state_key' | 'content'>, version: RoomVersion): TypeAndStateKey[] {
  if (event.type === 'm.room.create') return []
  const keys: TypeAndStateKey[] = [
    { type: 'm.room.power_levels', stateKey: '' },
    { type: 'm.room.member', stateKey: event.sender },
  ]
  if (!version.roomIdIsCreateEvent) keys.unshift({ type: 'm.room.create', stateKey: '' })
  if (event.type === 'm.room.member') addMemberKeys(keys, event, version)
  return keys
}

function addMemberKeys(keys: TypeAndStateKey[], event: Pick<Pdu, 'sender' | 'state_key' | 'content'>, version: RoomVersion): void {
  const membership = ownString(event.content, 'membership')
  if (event.state_key !== undefined && event.state_key !== event.sender) keys.push({ type: 'm.room.member', stateKey: event.state_key })
  if (membership === 'join' || membership === 'invite' || (membership === 'knock' && version.knocking)) {
    keys.push({ type: 'm.room.join_rules', stateKey: '' })
  }
  if (membership === 'invite') {
    const token = ownString(ownObject(ownObject(event.content, 'third_party_invite'), 'signed'), 'token')
    if (token !== undefined) keys.push({ type: 'm.room.third_party_invite', stateKey: token })
  }
  const authorisedVia = ownString(event.content, 'join_authorised_via_users_server')
  if (membership === 'join' && version.restrictedJoins && authorisedVia !== undefined) {
    const isListed = keys.some(({ type, stateKey }) => type === 'm.room.member' && stateKey === authorisedVia)
    if (!isListed) keys.push({ type: 'm.room.member', stateKey: authorisedVia })
  }
}
