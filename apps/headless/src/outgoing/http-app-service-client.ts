import type { AppServiceAnswer, AppServiceCall, AppServiceClient } from '@kith/homeserver/ports'
import { limits } from '../limits.ts'
import { createGuardedFetch, type GuardedFetch } from './guarded-fetch.ts'
import { readBounded } from './read-bounded.ts'

/** Application services over HTTP, wherever the operator says that they are. */
export class HttpAppServiceClient implements AppServiceClient, AsyncDisposable {
  readonly #guarded: GuardedFetch
  readonly #timeoutMs: number
  readonly #ready: Promise<void>

  /** @param ready calls wait for it: a service that is told something may ask back at once, and must be heard. */
  constructor({
    timeoutMs = limits.appServiceTimeoutMs,
    ready = Promise.resolve(),
  }: { readonly timeoutMs?: number; readonly ready?: Promise<void> } = {}) {
    this.#guarded = createGuardedFetch({ mayConnectTo: () => true, answerTimeoutMs: timeoutMs })
    this.#timeoutMs = timeoutMs
    this.#ready = ready
  }

  async request({ method, url, token, body }: AppServiceCall, signal: AbortSignal): Promise<AppServiceAnswer> {
    await unlessAborted(this.#ready, signal)
    const timeout = AbortSignal.timeout(this.#timeoutMs)
    try {
      const response = await this.#guarded.fetch(url, {
        method,
        headers: { authorization: `Bearer ${token}`, ...(body === undefined ? {} : { 'content-type': 'application/json' }) },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
        signal: AbortSignal.any([signal, timeout]),
      })
      const bytes = await readBounded(response, limits.appServiceAnswerBytesMax)
      const text = bytes === undefined ? '' : new TextDecoder().decode(bytes)
      return { kind: 'answered', status: response.status, body: parsedJson(text), text: text.slice(0, limits.appServiceTextCharactersMax) }
    } catch (error) {
      signal.throwIfAborted()
      return timeout.aborted ? { kind: 'timed-out' } : { kind: 'unreachable', reason: reasonOf(error) }
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#guarded[Symbol.asyncDispose]()
  }
}

/** @throws the signal's reason when that comes first. */
async function unlessAborted(task: Promise<void>, signal: AbortSignal): Promise<void> {
  signal.throwIfAborted()
  const { promise: aborted, reject } = Promise.withResolvers<never>()
  const onAbort = (): void => reject(signal.reason)
  signal.addEventListener('abort', onAbort, { once: true })
  try {
    await Promise.race([task, aborted])
  } finally {
    signal.removeEventListener('abort', onAbort)
  }
}

function parsedJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

/** The message may name the address. */
function reasonOf(error: unknown): string {
  const cause = error instanceof Error ? (error.cause ?? error) : undefined
  return cause instanceof Error ? cause.name : 'unknown'
}
