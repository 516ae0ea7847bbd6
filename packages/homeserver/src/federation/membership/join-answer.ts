import {
  type JsonObject,
  ownMember,
  parsePdu,
  parseServerName,
  parseUserId,
  type Pdu,
  type RoomId,
  roomIdOf,
  type RoomVersion,
  roomVersionNamed,
  type ServerName,
  serverNameOf,
  signatureOf,
  SIGNING_KEY_ID,
  withSignature,
} from '@kith/matrix-protocol'
import { limits } from '../../limits.ts'
import { parsePdus } from '../fetch/parse-pdus.ts'
import type { SignedMembership } from './member-handshake.ts'

export type JoinAnswer =
  | {
      readonly kind: 'ok'
      /** The join, with the signature of the server that vouches for it. */
      readonly event: Pdu
      readonly state: readonly Pdu[]
      readonly authChain: readonly Pdu[]
      /** Present when members were left out of the state: the servers that were in the room. */
      readonly servers?: readonly ServerName[]
    }
  | { readonly kind: 'bad'; readonly reason: string }

/**
 * The answer of a server to send_join, shape and bounds checked, and that it speaks of the room and the room version of the join, and of
 * a room that this server is in.
 */
export function readJoinAnswer(body: JsonObject, server: ServerName, roomId: RoomId, { event, version }: SignedMembership): JoinAnswer {
  const { stateEventsMax } = limits.implementation
  const state = parsePdus(body['state'], version, stateEventsMax)
  const authChain = parsePdus(body['auth_chain'], version, stateEventsMax)
  if (state === undefined || authChain === undefined) return bad('The answer to send_join is malformed')
  const create = [...state.values()].find((pdu) => pdu.type === 'm.room.create' && pdu.state_key === '')
  if (create === undefined) return bad('The state that came with the join lacks the create event')
  if (roomIdOf(create, version) !== roomId) return bad('The state that came with the join is of another room')
  if (roomVersionNamed(ownMember(create.content, 'room_version')) !== version) return bad('The room is of another version than was said')
  const read = {
    kind: 'ok',
    event: countersigned(body, event, version),
    state: [...state.values()],
    authChain: [...authChain.values()],
  } as const
  if (body['members_omitted'] !== true) {
    return read.state.some((pdu) => isJoinOf(server, pdu)) ? read : bad('The server that answered is not among the members it told')
  }
  const servers = serversOf(body)
  return servers === undefined ? bad('The answer to send_join omits members and does not name their servers') : { ...read, servers }
}

function isJoinOf(server: ServerName, pdu: Pdu): boolean {
  const userId = pdu.type === 'm.room.member' && pdu.content['membership'] === 'join' ? parseUserId(pdu.state_key) : undefined
  return userId !== undefined && serverNameOf(userId) === server
}

/** What another server may add to the join is the one signature that a restricted join takes. */
function countersigned(body: JsonObject, event: Pdu, version: RoomVersion): Pdu {
  const voucher = parseUserId(ownMember(event.content, 'join_authorised_via_users_server'))
  const parsed = parsePdu(body['event'], version)
  if (voucher === undefined || parsed.kind === 'bad') return event
  const server = serverNameOf(voucher)
  const signature = signatureOf(parsed.pdu, server, SIGNING_KEY_ID)
  return signature === undefined ? event : withSignature(event, server, SIGNING_KEY_ID, signature)
}

function serversOf(body: JsonObject): ServerName[] | undefined {
  const named = body['servers_in_room']
  if (!Array.isArray(named) || named.length === 0 || named.length > limits.implementation.serversInRoomMax) return undefined
  const servers = named.flatMap((server: unknown) => parseServerName(server) ?? [])
  return servers.length === 0 ? undefined : [...new Set(servers)]
}

function bad(reason: string): JoinAnswer {
  return { kind: 'bad', reason }
}
