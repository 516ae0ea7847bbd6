import type { ServerName } from '@kith/matrix-protocol'
import type { RemoteMediaOutcome } from '../../client-api/federation-access.ts'
import { limits } from '../../limits.ts'
import { type MediaDetails, type MediaStore, parseMultipart, type ThumbnailWish, usualThumbnail } from '../../media/index.ts'
import type { Clock } from '../../ports/clock.ts'
import type { Log } from '../../ports/log.ts'
import { withDeadline } from '../deadline.ts'
import { FairPlaces } from '../fair-places.ts'
import type { PeerClient } from '../peer-client.ts'

interface RemoteMediaParts {
  readonly client: PeerClient
  readonly media: MediaStore
  readonly clock: Clock
  readonly log: Log
}

interface WantedFile {
  /** The empty variant is the file itself. */
  readonly key: readonly [server: ServerName, mediaId: string, variant: string]
  /** Below `/media/`, with its query. */
  readonly path: string
  readonly patienceMs: number
}

type OpenedFile =
  | { readonly kind: 'file'; readonly details: MediaDetails; readonly body: ReadableStream<Uint8Array> }
  | Exclude<RemoteMediaOutcome, { kind: 'found' }>

/** Files of other servers, from the cache or from their server. Whoever waits for the same file waits for one download. */
export class RemoteMedia {
  readonly #parts: RemoteMediaParts
  readonly #signal: AbortSignal
  readonly #places = new FairPlaces({
    tasksMax: limits.implementation.remoteMediaFetchesAtOnceMax,
    tasksPerCauseMax: limits.implementation.remoteMediaFetchesPerServerMax,
  })
  readonly #underWay = new Map<string, Promise<RemoteMediaOutcome>>()

  constructor(parts: RemoteMediaParts, signal: AbortSignal) {
    this.#parts = parts
    this.#signal = signal
  }

  /** The file, readable while it still comes. @throws only the signal's reason. */
  async download(server: ServerName, mediaId: string, patienceMs: number, signal: AbortSignal): Promise<RemoteMediaOutcome> {
    const query = new URLSearchParams({ timeout_ms: String(patienceMs) })
    const path = `download/${encodeURIComponent(mediaId)}?${query}`
    return this.#get({ key: [server, mediaId, ''], path, patienceMs }, signal)
  }

  /** A thumbnail that its server made, of one of the usual sizes. */
  async thumbnail(
    server: ServerName,
    mediaId: string,
    wish: ThumbnailWish,
    patienceMs: number,
    signal: AbortSignal,
  ): Promise<RemoteMediaOutcome> {
    const query = new URLSearchParams(Object.entries(usualThumbnail(wish)).map(([name, value]) => [name, String(value)]))
    const variant = query.toString()
    query.set('timeout_ms', String(patienceMs))
    const path = `thumbnail/${encodeURIComponent(mediaId)}?${query}`
    return this.#get({ key: [server, mediaId, variant], path, patienceMs }, signal)
  }

  async #get(wanted: WantedFile, signal: AbortSignal): Promise<RemoteMediaOutcome> {
    const name = JSON.stringify(wanted.key)
    const cached = this.#underWay.has(name) ? undefined : await this.#parts.media.cache.get(wanted.key)
    if (cached !== undefined) return { kind: 'found', file: cached }
    return orAborted(this.#underWay.get(name) ?? this.#begin(name, wanted), signal)
  }

  /** Goes on without the caller: the file is worth keeping. Resolves when the file can be read, or will not come. */
  #begin(name: string, wanted: WantedFile): Promise<RemoteMediaOutcome> {
    const { clock, media, log } = this.#parts
    const [server] = wanted.key
    const head = Promise.withResolvers<RemoteMediaOutcome>()
    const work = this.#places.run(server, this.#signal, () =>
      withDeadline(clock, limits.implementation.remoteMediaFetchMs, this.#signal, async (bounded) => {
        const opened = await this.#open(wanted, bounded)
        if (opened.kind !== 'file') return head.resolve(opened)
        const { file, stored } = media.cache.put(wanted.key, opened.details, opened.body, bounded)
        head.resolve({ kind: 'found', file })
        if ((await stored) === 'refused') log.info('A file of another server was too large to be taken in', { server })
      }),
    )
    const failed = (error: unknown): void => {
      // Whoever reads the file already sees its stream fail.
      head.resolve({ kind: 'unreachable', reason: 'The file did not come' })
      log.info('A file of another server did not come', { server, error: error instanceof Error ? error.name : 'unknown' })
    }
    void work.catch(failed).then(() => this.#underWay.delete(name))
    this.#underWay.set(name, head.promise)
    return head.promise
  }

  async #open(wanted: WantedFile, signal: AbortSignal): Promise<OpenedFile> {
    const timeoutMs = wanted.patienceMs + limits.implementation.peerRequestTimeoutMs
    const call = { method: 'GET', path: `/_matrix/federation/v1/media/${wanted.path}`, timeoutMs } as const
    const answer = await this.#parts.client.stream(wanted.key[0], call, signal)
    switch (answer.kind) {
      case 'ok':
        break
      case 'refused':
        if (answer.status === 429) return { kind: 'unreachable', reason: 'Its server has too much to do' }
        if (answer.status === 404) return { kind: 'not-found' }
        return { kind: 'refused', status: answer.status, errcode: answer.errcode, reason: answer.reason }
      case 'failed':
        // 502 and 504 have meanings of their own here; only the error code tells them from a broken server.
        return announced(answer.errcode) ?? { kind: 'unreachable', reason: answer.reason }
      case 'unreachable':
        return { kind: 'unreachable', reason: answer.reason }
    }
    const parsed = await parseMultipart(answer.response)
    switch (parsed.kind) {
      case 'file':
        return parsed
      case 'redirect':
        // Peers have no other place than themselves, and this server asks nobody outside of the network.
        return { kind: 'unreachable', reason: 'The file lies at another place' }
      case 'malformed':
        return { kind: 'unreachable', reason: `The answer is malformed: ${parsed.reason}` }
    }
  }
}

function announced(errcode: string | undefined): Exclude<OpenedFile, { kind: 'file' }> | undefined {
  if (errcode === 'M_NOT_YET_UPLOADED') return { kind: 'not-yet' }
  return errcode === 'M_TOO_LARGE' ? { kind: 'too-large' } : undefined
}

async function orAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  signal.throwIfAborted()
  const aborted = Promise.withResolvers<never>()
  const onAbort = (): void => aborted.reject(signal.reason)
  signal.addEventListener('abort', onAbort, { once: true })
  try {
    return await Promise.race([work, aborted.promise])
  } finally {
    signal.removeEventListener('abort', onAbort)
  }
}
