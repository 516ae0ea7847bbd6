import { type ServerName, unreachable } from '@kith/matrix-protocol'
import { limits } from '../../limits.ts'
import { MatrixError } from '../../matrix-error.ts'
import {
  contentDisposition,
  type MediaDetails,
  mediaDetails,
  mayBeThumbnail,
  type StoredMedia,
  type ThumbnailWish,
} from '../../media/index.ts'
import { type Api, endpoint } from '../endpoint.ts'
import type { RemoteMediaOutcome } from '../federation-access.ts'
import { remoteError } from '../outcomes.ts'
import { integerFrom, serverNameFrom } from '../parameters.ts'

const mediaIdPattern = /^[A-Za-z0-9_-]{1,255}$/

interface FileToShow {
  readonly details: MediaDetails
  readonly size: number | undefined
  body(): ReadableStream<Uint8Array<ArrayBuffer>>
}

const config = endpoint({
  method: 'GET',
  path: '/media/config',
  versions: ['v1'],
  handle: async () => ({ 'm.upload.size': limits.implementation.mediaFileBytesMax }),
})

export const mediaEndpoints = [
  config,
  // Its older place, which many clients still ask.
  endpoint({
    method: 'GET',
    root: 'media',
    path: '/config',
    versions: ['r0', 'v3'],
    handle: async (api, call) => config.handle(api, call),
  }),
  endpoint({
    method: 'POST',
    root: 'media',
    path: '/upload',
    versions: ['r0', 'v3'],
    async handle(api, { session, query, headers, bytes, signal }) {
      refuseTooLong(headers)
      const details = mediaDetails(headers.get('content-type'), query.get('filename'))
      const outcome = await api.media.upload(session.userId, details, bytes ?? emptyBody(), signal)
      if (outcome.kind !== 'stored') throw uploadError(outcome.kind)
      return { content_uri: mxcUri(api, outcome.mediaId) }
    },
  }),
  endpoint({
    method: 'POST',
    root: 'media',
    path: '/create',
    versions: ['v1'],
    async handle(api, { session }) {
      const outcome = await api.media.create(session.userId)
      switch (outcome.kind) {
        case 'created':
          return { content_uri: mxcUri(api, outcome.mediaId), unused_expires_at: outcome.expiresAt }
        case 'too-many':
          throw new MatrixError(429, 'M_LIMIT_EXCEEDED', 'Too many uploads are announced already', {
            retry_after_ms: limits.implementation.mediaPendingRetryMs,
          })
        default:
          return unreachable(outcome)
      }
    },
  }),
  endpoint({
    method: 'PUT',
    root: 'media',
    path: '/upload/:serverName/:mediaId',
    versions: ['v3'],
    async handle(api, { params, session, query, headers, bytes, signal }) {
      if (params.serverName !== api.serverName) throw uploadError('unknown')
      refuseTooLong(headers)
      const details = mediaDetails(headers.get('content-type'), query.get('filename'))
      const outcome = await api.media.fill(session.userId, params.mediaId, details, bytes ?? emptyBody(), signal)
      if (outcome.kind !== 'stored') throw uploadError(outcome.kind)
      return {}
    },
  }),
  ...['/media/download/:serverName/:mediaId', '/media/download/:serverName/:mediaId/:fileName'].map((path) =>
    endpoint({
      method: 'GET',
      path: path as '/media/download/:serverName/:mediaId/:fileName',
      versions: ['v1'],
      async handle(api, { params, query, signal }) {
        const server = serverNameFrom(params.serverName)
        const file = await findFile(api, server, params.mediaId, patienceFrom(query), signal)
        const name: string | undefined = params.fileName
        return fileResponse(
          name === undefined ? file : { ...file, details: mediaDetails(file.details.contentType, name), body: () => file.body() },
        )
      },
    }),
  ),
  endpoint({
    method: 'GET',
    path: '/media/thumbnail/:serverName/:mediaId',
    versions: ['v1'],
    async handle(api, { params, query, signal }) {
      const server = serverNameFrom(params.serverName)
      return fileResponse(await findThumbnail(api, server, params.mediaId, thumbnailFrom(query), patienceFrom(query), signal))
    },
  }),
  // Media are frozen for whoever does not say who they are: nothing was ever published there.
  ...['/download/:serverName/:mediaId', '/download/:serverName/:mediaId/:fileName', '/thumbnail/:serverName/:mediaId'].map((path) =>
    endpoint({
      method: 'GET',
      root: 'media',
      path,
      versions: ['r0', 'v3'],
      auth: 'none',
      async handle() {
        throw notFound()
      },
    }),
  ),
]

async function findFile(api: Api, server: ServerName, mediaId: string, patienceMs: number, signal: AbortSignal): Promise<FileToShow> {
  if (server === api.serverName) return localFile(api, await findLocal(api, mediaId, patienceMs, signal))
  if (!mediaIdPattern.test(mediaId)) throw notFound()
  return shown(await api.federation.downloadMedia(server, mediaId, patienceMs, signal))
}

/** The picture itself stands for its thumbnail; other servers may have smaller ones of theirs. */
async function findThumbnail(
  api: Api,
  server: ServerName,
  mediaId: string,
  wish: ThumbnailWish,
  patienceMs: number,
  signal: AbortSignal,
): Promise<FileToShow> {
  if (server !== api.serverName) {
    if (!mediaIdPattern.test(mediaId)) throw notFound()
    return shown(await api.federation.downloadThumbnail(server, mediaId, wish, patienceMs, signal))
  }
  const media = await findLocal(api, mediaId, patienceMs, signal)
  const isRefused = !mayBeThumbnail(media.contentType) || (wish.animated === false && (await api.media.isMoving(media)))
  if (isRefused) throw new MatrixError(400, 'M_UNKNOWN', 'There can be no such thumbnail of this file')
  return localFile(api, media)
}

async function findLocal(api: Api, mediaId: string, patienceMs: number, signal: AbortSignal): Promise<StoredMedia> {
  const found = mediaIdPattern.test(mediaId) ? await api.media.find(mediaId, patienceMs, signal) : ({ kind: 'unknown' } as const)
  switch (found.kind) {
    case 'found':
      return found.media
    case 'not-yet':
      throw notYetUploaded()
    case 'unknown':
      throw notFound()
    default:
      return unreachable(found)
  }
}

function localFile(api: Api, media: StoredMedia): FileToShow {
  return { details: media, size: media.size, body: () => api.media.read(media) }
}

function shown(outcome: RemoteMediaOutcome): FileToShow {
  switch (outcome.kind) {
    case 'found':
      return outcome.file
    case 'not-found':
      throw notFound()
    case 'not-yet':
      throw notYetUploaded()
    case 'too-large':
      throw new MatrixError(502, 'M_TOO_LARGE', 'The content is too large to be served')
    case 'refused':
    case 'unreachable':
      throw remoteError(outcome)
    default:
      return unreachable(outcome)
  }
}

/** @see https://spec.matrix.org/latest/client-server-api/#serving-inline-content */
function fileResponse(file: FileToShow): Response {
  const { details, size } = file
  return new Response(file.body(), {
    headers: {
      'content-type': details.contentType,
      'content-disposition': contentDisposition(details),
      ...(size === undefined ? {} : { 'content-length': String(size) }),
      // Whatever the file is, it does nothing in the name of this origin.
      'content-security-policy':
        "sandbox; default-src 'none'; script-src 'none'; plugin-types application/pdf; style-src 'unsafe-inline'; object-src 'self';",
      'cross-origin-resource-policy': 'cross-origin',
      'x-content-type-options': 'nosniff',
      // Content never changes, and only who may see it gets it.
      'cache-control': 'private, max-age=86400, immutable',
    },
  })
}

function thumbnailFrom(query: URLSearchParams): ThumbnailWish {
  const side = (name: string): number => {
    if (query.get(name) === null) throw new MatrixError(400, 'M_MISSING_PARAM', `${name} is missing`)
    const value = integerFrom(query, name, 0, limits.implementation.thumbnailSideMax)
    if (value === 0) throw new MatrixError(400, 'M_INVALID_PARAM', `${name} must be greater than zero`)
    return value
  }
  const method = query.get('method') ?? 'scale'
  if (method !== 'crop' && method !== 'scale') throw new MatrixError(400, 'M_INVALID_PARAM', 'method must be crop or scale')
  const animated = query.get('animated')
  return { width: side('width'), height: side('height'), method, ...(animated === null ? {} : { animated: animated === 'true' }) }
}

function patienceFrom(query: URLSearchParams): number {
  const { mediaPatienceDefaultMs, mediaPatienceMaxMs } = limits.implementation
  return integerFrom(query, 'timeout_ms', mediaPatienceDefaultMs, mediaPatienceMaxMs)
}

function refuseTooLong(headers: Headers): void {
  if (Number(headers.get('content-length') ?? 0) > limits.implementation.mediaFileBytesMax) throw uploadError('too-large')
}

function uploadError(kind: 'too-large' | 'over-quota' | 'unknown' | 'of-another' | 'filled-already'): MatrixError {
  switch (kind) {
    case 'too-large':
      return new MatrixError(413, 'M_TOO_LARGE', `A file may have ${limits.implementation.mediaFileBytesMax} bytes`)
    case 'over-quota':
      return new MatrixError(403, 'M_FORBIDDEN', 'You have no room left for this file')
    case 'unknown':
      return new MatrixError(404, 'M_NOT_FOUND', 'No such media id')
    case 'of-another':
      return new MatrixError(403, 'M_FORBIDDEN', 'This media id was given to another user')
    case 'filled-already':
      return new MatrixError(409, 'M_CANNOT_OVERWRITE_MEDIA', 'This media id has content already')
    default:
      return unreachable(kind)
  }
}

function mxcUri(api: Api, mediaId: string): string {
  return `mxc://${api.serverName}/${mediaId}`
}

function emptyBody(): ReadableStream<Uint8Array> {
  return new ReadableStream({ start: (controller) => controller.close() })
}

function notFound(): MatrixError {
  return new MatrixError(404, 'M_NOT_FOUND', 'No such file')
}

function notYetUploaded(): MatrixError {
  return new MatrixError(504, 'M_NOT_YET_UPLOADED', 'The content has not been uploaded yet')
}
