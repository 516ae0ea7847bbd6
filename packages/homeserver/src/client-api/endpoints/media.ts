import { unreachable } from '@kith/matrix-protocol'
import { limits } from '../../limits.ts'
import { MatrixError } from '../../matrix-error.ts'
import { mediaDetails } from '../../media/index.ts'
import { type Api, endpoint } from '../endpoint.ts'
import { fileResponse, findFile, noSuchFile, patienceFrom, renamed } from '../media-files.ts'
import { serverNameFrom } from '../parameters.ts'

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
      async handle(api, { params, query, headers, signal }) {
        const wanted = { server: serverNameFrom(params.serverName), mediaId: params.mediaId, patienceMs: patienceFrom(query) }
        const file = await findFile(api, wanted, signal)
        const name: string | undefined = params.fileName
        return fileResponse(name === undefined ? file : renamed(file, name), headers)
      },
    }),
  ),
  // Media are frozen for whoever does not say who they are: nothing was ever published there.
  ...['/download/:serverName/:mediaId', '/download/:serverName/:mediaId/:fileName', '/thumbnail/:serverName/:mediaId'].map((path) =>
    endpoint({
      method: 'GET',
      root: 'media',
      path,
      versions: ['r0', 'v3'],
      auth: 'none',
      async handle() {
        throw noSuchFile()
      },
    }),
  ),
]

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
