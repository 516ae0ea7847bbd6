import { isJsonObject, type JsonObject, serverNameOf, unreachable } from '@kith/matrix-protocol'
import * as v from 'valibot'
import { limits } from '../../limits.ts'
import { MatrixError } from '../../matrix-error.ts'
import { boundInvite } from '../membership/third-party-invites.ts'
import { heldRoom, localUser, roomIdParameter } from './request-arguments.ts'
import type { Endpoint } from './router.ts'
import { NOTHING, type ServeParts } from './serve-parts.ts'

const text = v.pipe(v.string(), v.maxLength(limits.implementation.nameCharactersMax))
const signaturesSchema = v.record(v.string(), v.record(v.string(), v.string()))
/** What an identity server signed; kept whole, because further members are signed too. */
const signedSchema = v.pipe(
  v.custom<JsonObject>(isJsonObject),
  v.check((signed) => v.is(v.looseObject({ mxid: text, token: text, signatures: signaturesSchema }), signed)),
)
const exchangeSchema = v.looseObject({
  type: v.literal('m.room.member'),
  room_id: text,
  sender: text,
  state_key: text,
  content: v.looseObject({
    membership: v.literal('invite'),
    third_party_invite: v.looseObject({ display_name: v.optional(text), signed: signedSchema }),
  }),
})
const onBindSchema = v.looseObject({
  medium: text,
  address: text,
  mxid: text,
  invites: v.pipe(
    v.array(v.looseObject({ medium: text, address: text, mxid: text, room_id: text, sender: text, signed: signedSchema })),
    v.maxLength(limits.implementation.thirdPartyInvitesMax),
  ),
})

/** @see https://spec.matrix.org/latest/server-server-api/#put_matrixfederationv1exchange_third_party_inviteroomid */
export function exchangeThirdPartyInviteEndpoint(parts: ServeParts): Endpoint {
  return {
    method: 'PUT',
    path: '/_matrix/federation/v1/exchange_third_party_invite/:roomId',
    async handle(request) {
      const roomId = roomIdParameter(request)
      const body = parseBody(exchangeSchema, await request.jsonObject())
      if (body.room_id !== roomId) throw invalid('The event is of another room')
      const { display_name: displayName, signed } = body.content.third_party_invite
      const invite = boundInvite({ roomId, sender: body.sender, invitee: body.state_key, displayName, signed })
      if (invite === undefined) throw invalid('The ids do not fit together')
      if (serverNameOf(invite.sender) !== parts.serverName) throw invalid('The inviting user is of another server')
      heldRoom(parts, request, roomId)
      const outcome = await parts.thirdPartyInvites.exchange(invite, request.signal)
      switch (outcome.kind) {
        case 'invited':
          return NOTHING
        case 'denied':
          throw new MatrixError(403, 'M_FORBIDDEN', `The room does not allow it: ${outcome.rule}`)
        case 'refused':
        case 'unreachable':
          throw new MatrixError(403, 'M_FORBIDDEN', `The server of the invited user does not take the invite: ${outcome.reason}`)
        default:
          return unreachable(outcome)
      }
    },
  }
}

/** @see https://spec.matrix.org/latest/server-server-api/#put_matrixfederationv13pidonbind */
export function onBindEndpoint(parts: ServeParts): Endpoint {
  return {
    method: 'PUT',
    path: '/_matrix/federation/v1/3pid/onbind',
    async handle(request) {
      const body = parseBody(onBindSchema, await request.jsonObject())
      const userId = localUser(parts, body.mxid)
      if (!parts.users.exists(userId)) throw new MatrixError(404, 'M_NOT_FOUND', 'There is no such user')
      const invites = body.invites.map(({ room_id: roomId, sender, mxid: invitee, signed }) =>
        boundInvite({ roomId, sender, invitee, signed }),
      )
      if (invites.some((invite) => invite?.invitee !== userId)) throw invalid('An invite is not for this user')
      const fitting = invites.filter((invite) => invite !== undefined)
      await parts.thirdPartyInvites.bound(fitting, request.signal)
      return NOTHING
    },
  }
}

function parseBody<Schema extends v.GenericSchema>(schema: Schema, body: JsonObject): v.InferOutput<Schema> {
  const parsed = v.safeParse(schema, body)
  if (!parsed.success) throw new MatrixError(400, 'M_BAD_JSON', 'The body lacks what it must have, or has it in another form')
  return parsed.output
}

function invalid(reason: string): MatrixError {
  return new MatrixError(400, 'M_INVALID_PARAM', reason)
}
