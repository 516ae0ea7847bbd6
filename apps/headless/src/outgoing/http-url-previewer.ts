import type { Log, PreviewImage, PreviewOutcome, UrlPreviewer } from '@kith/homeserver/ports'
import type { Response } from 'undici'
import { limits } from '../limits.ts'
import { measurePicture } from '../sharp-thumbnailer.ts'
import { createGuardedFetch, type GuardedFetch, type GuardOptions } from './guarded-fetch.ts'
import { readBounded } from './read-bounded.ts'
import { readPage } from './read-page.ts'

const PORTS: ReadonlySet<string> = new Set(['', '80', '443'])
const nothing: PreviewOutcome = { kind: 'nothing' }

export interface UrlPreviewerOptions extends GuardOptions {
  readonly log: Log
  /** Of ports that are not the usual ones. */
  readonly mayUsePort?: (port: string) => boolean
}

/** Previews of pages and pictures of the web. */
export class HttpUrlPreviewer implements UrlPreviewer, AsyncDisposable {
  readonly #guarded: GuardedFetch
  readonly #mayUsePort: (port: string) => boolean
  readonly #log: Log

  constructor({ log, mayUsePort = () => false, ...guard }: UrlPreviewerOptions) {
    this.#guarded = createGuardedFetch(guard)
    this.#mayUsePort = mayUsePort
    this.#log = log
  }

  async preview(url: URL, signal: AbortSignal): Promise<PreviewOutcome> {
    const bounded = AbortSignal.any([signal, AbortSignal.timeout(limits.previewTimeoutMs)])
    try {
      return await this.#look(url, bounded)
    } catch (error) {
      signal.throwIfAborted()
      const cause = error instanceof Error ? (error.cause ?? error) : error
      this.#log.info('A page could not be looked at', { error: cause instanceof Error ? cause.name : 'unknown' })
      return nothing
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#guarded[Symbol.asyncDispose]()
  }

  async #look(url: URL, signal: AbortSignal): Promise<PreviewOutcome> {
    const found = await this.#follow(url, 'text/html, application/xhtml+xml;q=0.9, image/*;q=0.8', signal)
    if (found === undefined) return nothing
    const { response, at } = found
    const type = response.headers.get('content-type') ?? ''
    if (/^image\//i.test(type)) {
      const image = await readImage(response)
      return image === undefined ? nothing : { kind: 'found', properties: { 'og:title': fileNameOf(at) }, image }
    }
    if (!/^(text\/html|application\/xhtml\+xml)\b/i.test(type)) {
      await response.body?.cancel()
      return nothing
    }
    const page = await readBounded(response, limits.previewPageBytesMax, { truncate: true })
    const { 'og:image': imageUrl, ...said } = page === undefined ? {} : readPage(page, type)
    const image = imageUrl === undefined ? undefined : await this.#image(imageUrl, at, signal)
    // What a page says of a picture that is not there, or is another one, helps nobody.
    const properties = Object.fromEntries(Object.entries(said).filter(([name]) => !name.startsWith('og:image')))
    return { kind: 'found', properties, ...(image === undefined ? {} : { image }) }
  }

  /** A page without its picture is still a page. */
  async #image(text: string, page: URL, signal: AbortSignal): Promise<PreviewImage | undefined> {
    if (!URL.canParse(text, page.href)) return undefined
    try {
      const found = await this.#follow(new URL(text, page.href), 'image/*', signal)
      return found === undefined ? undefined : await readImage(found.response)
    } catch {
      return undefined
    }
  }

  /** The answer at the end of the redirects, each of which is judged like the first address. */
  async #follow(url: URL, accept: string, signal: AbortSignal): Promise<{ readonly response: Response; readonly at: URL } | undefined> {
    let at = url
    for (let redirects = 0; redirects <= limits.previewRedirectsMax; redirects++) {
      if (!this.#mayAsk(at)) return undefined
      const response = await this.#guarded.fetch(at, { headers: { accept, 'user-agent': 'Kith (link preview)' }, signal })
      if (response.ok) return { response, at }
      await response.body?.cancel()
      const location = response.headers.get('location')
      if (response.status < 300 || response.status > 399 || location === null || !URL.canParse(location, at.href)) return undefined
      at = new URL(location, at.href)
    }
    return undefined
  }

  #mayAsk(url: URL): boolean {
    const isWeb = url.protocol === 'http:' || url.protocol === 'https:'
    // One with a password is refused by fetch itself.
    return isWeb && (PORTS.has(url.port) || this.#mayUsePort(url.port))
  }
}

/** Only what is a picture by its bytes. */
async function readImage(response: Response): Promise<PreviewImage | undefined> {
  const bytes = await readBounded(response, limits.previewImageBytesMax)
  const measured = bytes === undefined ? undefined : await measurePicture(bytes)
  return bytes === undefined || measured === undefined ? undefined : { ...measured, bytes }
}

function fileNameOf(url: URL): string {
  const name = url.pathname.split('/').at(-1) ?? ''
  try {
    return decodeURIComponent(name)
  } catch {
    return name
  }
}
