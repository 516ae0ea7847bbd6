import { unreachable } from '@kith/matrix-protocol'
import { limits } from '../../limits.ts'
import { MatrixError } from '../../matrix-error.ts'
import { type CachedFile, type MadeThumbnailOutcome, mayBeThumbnail, type MadeThumbnails, type ThumbnailWish } from '../../media/index.ts'
import { type Api, endpoint } from '../endpoint.ts'
import { fileResponse, findFile, findLocalMedia, foundFile, localFile, type MediaWanted, patienceFrom } from '../media-files.ts'
import { integerFrom, serverNameFrom } from '../parameters.ts'

export const thumbnailEndpoints = [
  endpoint({
    method: 'GET',
    path: '/media/thumbnail/:serverName/:mediaId',
    versions: ['v1'],
    async handle(api, { params, query, headers, signal }) {
      const wanted = { server: serverNameFrom(params.serverName), mediaId: params.mediaId, patienceMs: patienceFrom(query) }
      return fileResponse(await findThumbnail(api, wanted, thumbnailFrom(query), signal), headers)
    },
  }),
]

async function findThumbnail(api: Api, wanted: MediaWanted, wish: ThumbnailWish, signal: AbortSignal): Promise<CachedFile> {
  const { thumbnails } = api.media
  if (wanted.server !== api.serverName) return findRemoteThumbnail(api, wanted, wish, signal)
  const media = await findLocalMedia(api, wanted, signal)
  const file = localFile(api, media)
  if (thumbnails !== undefined) return makeThumbnail(thumbnails, wanted, file, wish, 413)
  // Without an engine the picture itself stands for its thumbnail.
  const isRefused = !mayBeThumbnail(media.contentType) || (wish.animated === false && (await api.media.isMoving(media)))
  if (isRefused) throw noThumbnail()
  return file
}

/** Of its own server; where that has none, it is made here of the file. */
async function findRemoteThumbnail(api: Api, wanted: MediaWanted, wish: ThumbnailWish, signal: AbortSignal): Promise<CachedFile> {
  const { server, mediaId, patienceMs } = wanted
  const { thumbnails } = api.media
  const outcome = await api.federation.downloadThumbnail(server, mediaId, wish, patienceMs, signal)
  // What is no picture would be shown as one, in the page that asked for it.
  const isUsable = outcome.kind === 'found' ? mayBeThumbnail(outcome.file.details.contentType) : outcome.kind !== 'refused'
  if (isUsable) return foundFile(outcome)
  if (thumbnails === undefined) return outcome.kind === 'refused' ? foundFile(outcome) : raise(noThumbnail())
  return makeThumbnail(thumbnails, wanted, await findFile(api, wanted, signal), wish, 502)
}

async function makeThumbnail(
  thumbnails: MadeThumbnails,
  { server, mediaId }: MediaWanted,
  file: CachedFile,
  wish: ThumbnailWish,
  tooLargeStatus: 413 | 502,
): Promise<CachedFile> {
  return madeFile(await thumbnails.get(server, mediaId, file, wish), tooLargeStatus)
}

function madeFile(outcome: MadeThumbnailOutcome, tooLargeStatus: 413 | 502): CachedFile {
  switch (outcome.kind) {
    case 'made':
      return outcome.file
    case 'undecodable':
      throw noThumbnail()
    case 'too-large':
      throw new MatrixError(tooLargeStatus, 'M_TOO_LARGE', 'The content is too large for a thumbnail')
    case 'unreadable':
      throw new MatrixError(504, 'M_UNKNOWN', 'The content did not come whole')
    case 'busy':
      throw new MatrixError(429, 'M_LIMIT_EXCEEDED', 'Too many thumbnails are being made', { retry_after_ms: 1_000 })
    default:
      return unreachable(outcome)
  }
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

function noThumbnail(): MatrixError {
  return new MatrixError(400, 'M_UNKNOWN', 'There can be no such thumbnail of this file')
}

function raise(error: MatrixError): never {
  throw error
}
