import { type ServerName, unreachable } from '@kith/matrix-protocol'
import { limits } from '../limits.ts'
import { MatrixError } from '../matrix-error.ts'
import { byteRangeOf, type CachedFile, contentDisposition, mediaDetails, type StoredMedia } from '../media/index.ts'
import type { Api } from './endpoint.ts'
import type { RemoteMediaOutcome } from './federation-access.ts'
import { remoteError } from './outcomes.ts'
import { integerFrom } from './parameters.ts'

const mediaIdPattern = /^[A-Za-z0-9_-]{1,255}$/

/** Where a file lies, and how long a client waits for it. */
export interface MediaWanted {
  readonly server: ServerName
  readonly mediaId: string
  readonly patienceMs: number
}

/** A file of this or of another server. @throws MatrixError */
export async function findFile(api: Api, wanted: MediaWanted, signal: AbortSignal): Promise<CachedFile> {
  const { server, mediaId, patienceMs } = wanted
  if (!mediaIdPattern.test(mediaId)) throw noSuchFile()
  if (server !== api.serverName) return foundFile(await api.federation.downloadMedia(server, mediaId, patienceMs, signal))
  return localFile(api, await findLocalMedia(api, wanted, signal))
}

/** A file of this server. @throws MatrixError */
export async function findLocalMedia(api: Api, { mediaId, patienceMs }: MediaWanted, signal: AbortSignal): Promise<StoredMedia> {
  if (!mediaIdPattern.test(mediaId)) throw noSuchFile()
  const found = await api.media.find(mediaId, patienceMs, signal)
  switch (found.kind) {
    case 'found':
      return found.media
    case 'not-yet':
      throw notYetUploaded()
    case 'unknown':
      throw noSuchFile()
    default:
      return unreachable(found)
  }
}

export function localFile(api: Api, media: StoredMedia): CachedFile {
  return { details: media, size: media.size, tag: media.blob, body: (range) => api.media.read(media, range) }
}

/** @throws MatrixError for everything but a file. */
export function foundFile(outcome: RemoteMediaOutcome): CachedFile {
  switch (outcome.kind) {
    case 'found':
      return outcome.file
    case 'not-found':
      throw noSuchFile()
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

/**
 * The file, or what the request's `Range` and `If-None-Match` ask of it. Whole files only while they still come.
 * @see https://spec.matrix.org/latest/client-server-api/#serving-inline-content
 */
export function fileResponse(file: CachedFile, request: Headers): Response {
  const { details, size, tag } = file
  const etag = tag === undefined ? undefined : `"${tag}"`
  const always = {
    // Whatever the file is, it does nothing in the name of this origin.
    'content-security-policy':
      "sandbox; default-src 'none'; script-src 'none'; plugin-types application/pdf; style-src 'unsafe-inline'; object-src 'self';",
    'cross-origin-resource-policy': 'cross-origin',
    'x-content-type-options': 'nosniff',
    // Content never changes, and only who may see it gets it.
    'cache-control': 'private, max-age=86400, immutable',
    ...(etag === undefined ? {} : { etag }),
    ...(size === undefined ? {} : { 'accept-ranges': 'bytes' }),
  }
  if (etag !== undefined && namesTag(request.get('if-none-match'), etag)) return new Response(null, { status: 304, headers: always })
  const headers = { ...always, 'content-type': details.contentType, 'content-disposition': contentDisposition(details) }
  if (size === undefined) return new Response(file.body(), { headers })
  const range = isSameVersion(request.get('if-range'), etag) ? byteRangeOf(request.get('range'), size) : undefined
  if (range === undefined) return new Response(file.body(), { headers: { ...headers, 'content-length': String(size) } })
  if (range === 'unsatisfiable') {
    const refusal = new MatrixError(416, 'M_INVALID_PARAM', `The file has ${size} bytes`).toResponse()
    refusal.headers.set('content-range', `bytes */${size}`)
    return refusal
  }
  const { start, end } = range
  const part = { 'content-range': `bytes ${start}-${end - 1}/${size}`, 'content-length': String(end - start) }
  return new Response(file.body(range), { status: 206, headers: { ...headers, ...part } })
}

/** With another name: what a link calls the file goes before what its uploader did. */
export function renamed(file: CachedFile, name: string): CachedFile {
  return { ...file, details: mediaDetails(file.details.contentType, name), body: (range) => file.body(range) }
}

/** How long to wait for content that is announced. */
export function patienceFrom(query: URLSearchParams): number {
  const { mediaPatienceDefaultMs, mediaPatienceMaxMs } = limits.implementation
  return integerFrom(query, 'timeout_ms', mediaPatienceDefaultMs, mediaPatienceMaxMs)
}

export function noSuchFile(): MatrixError {
  return new MatrixError(404, 'M_NOT_FOUND', 'No such file')
}

function notYetUploaded(): MatrixError {
  return new MatrixError(504, 'M_NOT_YET_UPLOADED', 'The content has not been uploaded yet')
}

function namesTag(header: string | null, etag: string): boolean {
  const tags = header?.split(',').map((tag) => tag.trim().replace(/^W\//, '')) ?? []
  return tags.includes(etag) || tags.includes('*')
}

/** Whether the part that a client has, and wants completed, is of these bytes. Dates are not compared: they tell less. */
function isSameVersion(header: string | null, etag: string | undefined): boolean {
  return header === null || header.trim() === etag
}
