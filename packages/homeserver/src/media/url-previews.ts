import type { JsonObject, ServerName } from '@kith/matrix-protocol'
import { limits } from '../limits.ts'
import type { Clock } from '../ports/clock.ts'
import type { PreviewImage, PreviewOutcome, UrlPreviewer } from '../ports/url-previewer.ts'
import { mediaDetails } from './media-details.ts'
import type { RemoteCache } from './remote-cache.ts'
import { streamOf } from './stream-of.ts'

export type UrlPreviewOutcome =
  | { readonly kind: 'found'; readonly preview: JsonObject }
  | { readonly kind: 'nothing' }
  /** Too many addresses are being looked at. */
  | { readonly kind: 'busy' }

interface UrlPreviewsParts {
  readonly previewer: UrlPreviewer
  readonly cache: RemoteCache
  readonly clock: Clock
  readonly serverName: ServerName
  readonly newId: () => string
}

interface Kept {
  readonly outcome: Promise<UrlPreviewOutcome>
  readonly until: number
}

/**
 * What pages say of themselves. Each is looked at once in a while, however many ask; pictures lie among the files of others, and go
 * when nobody wants them.
 */
export class UrlPreviews {
  readonly #parts: UrlPreviewsParts
  /** The longest unasked first. */
  readonly #kept = new Map<string, Kept>()
  #underWay = 0

  constructor(parts: UrlPreviewsParts) {
    this.#parts = parts
  }

  /** Goes on without the caller: others will ask. */
  async get(url: URL): Promise<UrlPreviewOutcome> {
    const name = nameOf(url)
    const now = this.#parts.clock.now()
    const kept = this.#kept.get(name)
    if (kept !== undefined && kept.until > now) {
      this.#keep(name, kept)
      return kept.outcome
    }
    if (this.#underWay >= limits.implementation.urlPreviewsAtOnceMax) return { kind: 'busy' }
    this.#underWay++
    const outcome = this.#look(url).finally(() => this.#underWay--)
    this.#keep(name, { outcome, until: now + limits.implementation.urlPreviewLifetimeMs })
    // What broke here is no word of the page.
    outcome.catch(() => this.#kept.delete(name))
    return outcome
  }

  async #look(url: URL): Promise<UrlPreviewOutcome> {
    const outcome = await this.#withinTime(url)
    if (outcome.kind === 'nothing') return outcome
    const image = outcome.image === undefined ? {} : await this.#store(outcome.image)
    return { kind: 'found', preview: { ...outcome.properties, ...image } }
  }

  async #withinTime(url: URL): Promise<PreviewOutcome> {
    const ended = new AbortController()
    const late = this.#parts.clock.sleep(limits.implementation.urlPreviewMs, ended.signal).then(() => ({ kind: 'nothing' }) as const)
    try {
      return await Promise.race([this.#parts.previewer.preview(url, ended.signal), late])
    } finally {
      ended.abort()
    }
  }

  /** A picture that there is no room for is left out. */
  async #store({ contentType, bytes, width, height }: PreviewImage): Promise<JsonObject> {
    const { cache, serverName, newId } = this.#parts
    const mediaId = newId()
    const details = mediaDetails(contentType, undefined)
    const { stored } = cache.put([serverName, mediaId, ''], details, streamOf(bytes), new AbortController().signal)
    if ((await stored.catch(() => 'refused')) === 'refused') return {}
    return {
      'og:image': `mxc://${serverName}/${mediaId}`,
      'og:image:type': details.contentType,
      'og:image:width': width,
      'og:image:height': height,
      'matrix:image:size': bytes.byteLength,
    }
  }

  #keep(name: string, kept: Kept): void {
    this.#kept.delete(name)
    this.#kept.set(name, kept)
    const [oldest] = this.#kept.keys()
    if (this.#kept.size > limits.implementation.urlPreviewsKeptMax && oldest !== undefined) this.#kept.delete(oldest)
  }
}

/** What follows `#` never reaches the page's server. */
function nameOf(url: URL): string {
  const named = new URL(url)
  named.hash = ''
  return named.href
}
