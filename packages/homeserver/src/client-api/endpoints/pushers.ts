import type { JsonObject } from '@kith/matrix-protocol'
import * as v from 'valibot'
import { limits } from '../../limits.ts'
import { MatrixError } from '../../matrix-error.ts'
import type { Pusher } from '../../push/pusher-tables.ts'
import { type Api, endpoint } from '../endpoint.ts'
import { jsonObjectSchema, nameSchema } from '../schemas.ts'

const { pusherAppIdCharactersMax, pushkeyBytesMax } = limits.implementation
const NOTIFY_PATH = '/_matrix/push/v1/notify'

const name = v.optional(nameSchema)

const pusherSchema = v.looseObject({
  kind: v.nullable(v.string()),
  app_id: v.string(),
  pushkey: v.string(),
  app_display_name: name,
  device_display_name: name,
  profile_tag: name,
  lang: name,
  data: v.optional(jsonObjectSchema),
  append: v.optional(v.boolean()),
})

type PusherDraft = v.InferOutput<typeof pusherSchema>

/** @see https://spec.matrix.org/latest/client-server-api/#push-notifications */
export const pusherEndpoints = [
  endpoint({
    method: 'GET',
    path: '/pushers',
    handle: async (api, { session }) => ({ pushers: api.pushers.of(session.userId).map(shownPusher) }),
  }),
  endpoint({
    method: 'POST',
    path: '/pushers/set',
    body: pusherSchema,
    async handle(api, { session, body }) {
      refuseLongNames(body)
      if (body.kind === null) {
        await api.pushers.remove([[session.userId, body.app_id, body.pushkey]])
        return {}
      }
      const pusher = pusherFrom(api, session, body)
      const outcome = await api.pushers.set(pusher, body.append === true, api.timeline.position)
      if (outcome === 'too-many') throw new MatrixError(400, 'M_UNKNOWN', 'There are too many pushers')
      return {}
    },
  }),
]

function shownPusher({ appId, pushkey, appDisplayName, deviceDisplayName, profileTag, lang, data }: Pusher): JsonObject {
  return {
    kind: 'http',
    app_id: appId,
    pushkey,
    app_display_name: appDisplayName,
    device_display_name: deviceDisplayName,
    ...(profileTag === undefined ? {} : { profile_tag: profileTag }),
    lang,
    data,
  }
}

function refuseLongNames({ app_id: appId, pushkey }: PusherDraft): void {
  if (appId.length > pusherAppIdCharactersMax) throw invalid(`app_id may have ${pusherAppIdCharactersMax} characters`)
  const pushkeyBytes = new TextEncoder().encode(pushkey).byteLength
  if (pushkeyBytes > pushkeyBytesMax) throw invalid(`pushkey may have ${pushkeyBytesMax} bytes`)
}

function pusherFrom(api: Api, session: { readonly userId: Pusher['userId']; readonly deviceId: string }, draft: PusherDraft): Pusher {
  const { app_display_name: appDisplayName, device_display_name: deviceDisplayName, lang, data } = draft
  if (appDisplayName === undefined || deviceDisplayName === undefined || lang === undefined || data === undefined) {
    const required = ['app_display_name', 'device_display_name', 'lang', 'data'] as const
    const missing = required.filter((field) => draft[field] === undefined)
    throw new MatrixError(400, 'M_MISSING_PARAM', `Missing parameters: ${missing.join(', ')}`)
  }
  if (draft.kind !== 'http') throw invalid('This server only knows pushers of the kind http')
  const { pushGateway } = api.ports
  if (pushGateway === undefined) throw new MatrixError(400, 'M_UNKNOWN', 'This server runs where it can reach no push gateway')
  refuseWrongUrl(data['url'], pushGateway.allowsInsecure)
  if (JSON.stringify(data).length > limits.implementation.pusherDataBytesMax) throw invalid('data is too long')
  return {
    userId: session.userId,
    deviceId: session.deviceId,
    appId: draft.app_id,
    pushkey: draft.pushkey,
    appDisplayName,
    deviceDisplayName,
    ...(draft.profile_tag === undefined ? {} : { profileTag: draft.profile_tag }),
    lang,
    data,
    setAt: api.ports.clock.now(),
  }
}

function refuseWrongUrl(text: unknown, allowsInsecure: boolean): void {
  if (text === undefined) throw new MatrixError(400, 'M_MISSING_PARAM', 'Missing parameters: data.url')
  const url = typeof text === 'string' && URL.canParse(text) ? new URL(text) : undefined
  const isSecure = url?.protocol === 'https:' || (allowsInsecure && url?.protocol === 'http:')
  if (!isSecure || url?.pathname !== NOTIFY_PATH) throw invalid(`data.url must be an HTTPS URL with the path ${NOTIFY_PATH}`)
}

function invalid(reason: string): MatrixError {
  return new MatrixError(400, 'M_INVALID_PARAM', reason)
}
