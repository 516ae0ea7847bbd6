import { unreachable } from '@kith/matrix-protocol'
import { limits } from '../../limits.ts'
import { MatrixError } from '../../matrix-error.ts'
import { endpoint } from '../endpoint.ts'
import { integerFrom } from '../parameters.ts'

const previewUrl = endpoint({
  method: 'GET',
  path: '/media/preview_url',
  versions: ['v1'],
  async handle(api, { query }) {
    const url = urlFrom(query)
    // The newest is given whatever time is asked for.
    integerFrom(query, 'ts', 0, Number.MAX_SAFE_INTEGER)
    const { urlPreviews } = api.media
    if (urlPreviews === undefined) throw new MatrixError(403, 'M_FORBIDDEN', 'This server makes no previews of addresses')
    const outcome = await urlPreviews.get(url)
    switch (outcome.kind) {
      case 'found':
        return outcome.preview
      case 'nothing':
        throw new MatrixError(404, 'M_NOT_FOUND', 'There is no preview of this address')
      case 'busy':
        throw new MatrixError(429, 'M_LIMIT_EXCEEDED', 'Too many addresses are being looked at', { retry_after_ms: 2_000 })
      default:
        return unreachable(outcome)
    }
  },
})

export const urlPreviewEndpoints = [
  previewUrl,
  // Its older place.
  endpoint({
    method: 'GET',
    root: 'media',
    path: '/preview_url',
    versions: ['r0', 'v3'],
    handle: async (api, call) => previewUrl.handle(api, call),
  }),
]

function urlFrom(query: URLSearchParams): URL {
  const text = query.get('url')
  if (text === null) throw new MatrixError(400, 'M_MISSING_PARAM', 'url is missing')
  const isUsable = text.length <= limits.implementation.urlPreviewUrlCharactersMax && URL.canParse(text)
  const url = isUsable ? new URL(text) : undefined
  if (url?.protocol === 'http:' || url?.protocol === 'https:') return url
  throw new MatrixError(400, 'M_INVALID_PARAM', 'url must be an address of the web')
}
