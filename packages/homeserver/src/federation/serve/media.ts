import { type ServerName, unreachable } from '@kith/matrix-protocol'
import { limits } from '../../limits.ts'
import { MatrixError } from '../../matrix-error.ts'
import { mayBeThumbnail, multipartResponse, type StoredMedia, type ThumbnailWish } from '../../media/index.ts'
import { countQuery } from './request-arguments.ts'
import type { Endpoint, PeerRequest } from './router.ts'
import type { ServeParts } from './serve-parts.ts'

const mediaIdPattern = /^[A-Za-z0-9_-]{1,255}$/

/** Downloads and thumbnails. Few requests of one server wait for content at a time: whoever waits takes the place of its other requests. */
export function mediaEndpoints(parts: ServeParts): Endpoint[] {
  const waiting = new Map<ServerName, number>()
  const find: FindMedia = async (request) => {
    const others = waiting.get(request.origin) ?? 0
    waiting.set(request.origin, others + 1)
    try {
      return await findMedia(parts, request, others < limits.implementation.mediaWaitsPerOriginMax)
    } finally {
      const left = (waiting.get(request.origin) ?? 1) - 1
      if (left > 0) waiting.set(request.origin, left)
      else waiting.delete(request.origin)
    }
  }
  return [downloadEndpoint(parts, find), thumbnailEndpoint(parts, find)]
}

type FindMedia = (request: PeerRequest) => Promise<StoredMedia>

/** @see https://spec.matrix.org/latest/server-server-api/#get_matrixfederationv1mediadownloadmediaid */
function downloadEndpoint(parts: ServeParts, find: FindMedia): Endpoint {
  return {
    method: 'GET',
    path: '/_matrix/federation/v1/media/download/:mediaId',
    handle: async (request) => answerWith(parts, await find(request)),
  }
}

/**
 * Where no engine makes thumbnails the picture itself stands for its thumbnail, which may be larger than asked for.
 * @see https://spec.matrix.org/latest/server-server-api/#get_matrixfederationv1mediathumbnailmediaid
 */
function thumbnailEndpoint(parts: ServeParts, find: FindMedia): Endpoint {
  return {
    method: 'GET',
    path: '/_matrix/federation/v1/media/thumbnail/:mediaId',
    async handle(request) {
      const sides = [sideFrom(request, 'width'), sideFrom(request, 'height')] as const
      const animated = request.query.get('animated')
      const method = request.query.get('method') ?? 'scale'
      if (method !== 'crop' && method !== 'scale') throw new MatrixError(400, 'M_INVALID_PARAM', '`method` must be crop or scale')
      const wish: ThumbnailWish = {
        width: sides[0],
        height: sides[1],
        method,
        ...(animated === null ? {} : { animated: animated === 'true' }),
      }
      return answerThumbnail(parts, request, await find(request), wish)
    },
  }
}

function sideFrom(request: PeerRequest, name: 'width' | 'height'): number {
  if (request.query.get(name) === null) throw new MatrixError(400, 'M_MISSING_PARAM', `\`${name}\` is missing`)
  const side = countQuery(request, name, 0, limits.implementation.thumbnailSideMax)
  if (side === 0) throw new MatrixError(400, 'M_INVALID_PARAM', `\`${name}\` must be greater than zero`)
  return side
}

async function answerThumbnail(parts: ServeParts, request: PeerRequest, media: StoredMedia, wish: ThumbnailWish): Promise<Response> {
  const { media: store, serverName } = parts
  if (store.thumbnails === undefined) {
    const isRefused = !mayBeThumbnail(media.contentType) || (wish.animated === false && (await store.isMoving(media)))
    if (isRefused) throw noThumbnail()
    return answerWith(parts, media)
  }
  const source = { details: media, size: media.size, body: () => store.read(media) }
  const made = await store.thumbnails.get(serverName, request.parameter('mediaId'), source, wish)
  switch (made.kind) {
    case 'made': {
      const { details, size = 0 } = made.file
      return multipartResponse(store.newBoundary(), { details, size, body: made.file.body() })
    }
    case 'undecodable':
    case 'unreadable':
      throw noThumbnail()
    case 'too-large':
      throw new MatrixError(413, 'M_TOO_LARGE', 'The content is too large for a thumbnail')
    case 'busy':
      throw new MatrixError(429, 'M_LIMIT_EXCEEDED', 'Too many thumbnails are being made', { retry_after_ms: 1_000 })
    default:
      return unreachable(made)
  }
}

function noThumbnail(): MatrixError {
  return new MatrixError(400, 'M_UNKNOWN', 'There can be no such thumbnail of this file')
}

async function findMedia(parts: ServeParts, request: PeerRequest, mayWait: boolean): Promise<StoredMedia> {
  const mediaId = request.parameter('mediaId')
  const { mediaPatienceDefaultMs, mediaPatienceMaxMs } = limits.implementation
  const patienceMs = countQuery(request, 'timeout_ms', mediaPatienceDefaultMs, mediaPatienceMaxMs)
  const found = mediaIdPattern.test(mediaId) ? await parts.media.find(mediaId, mayWait ? patienceMs : 0, request.signal) : undefined
  switch (found?.kind) {
    case 'found':
      return found.media
    case 'not-yet':
      throw new MatrixError(504, 'M_NOT_YET_UPLOADED', 'The content has not been uploaded yet')
    case 'unknown':
    case undefined:
      throw new MatrixError(404, 'M_NOT_FOUND', 'There is no such file')
  }
}

function answerWith(parts: ServeParts, media: StoredMedia): Response {
  return multipartResponse(parts.media.newBoundary(), { details: media, size: media.size, body: parts.media.read(media) })
}
