import type { Stream } from '@libp2p/interface'
import { OUTBOUND_REQUESTS_MAX, REQUEST_PENDING_MS_MAX, WAITING_REQUESTS_MAX } from '../limits.ts'
import type { OutgoingRequest, StreamedBody } from './body.ts'
import type { BodyExchange } from './body-exchange.ts'
import { FrameChannel, type Activity } from './frame-channel.ts'
import { FRAME_ID_MAX, FrameError, type Frame } from './frame.ts'
import { encodeRequestHead, parseResponseHead } from './head.ts'
import { StreamLostError } from './stream-writer.ts'

/** The peer will not answer this request. `sent` false: it certainly did not see it, so asking again is safe. */
export class NoAnswerError extends Error {
  override readonly name = 'NoAnswerError'
  readonly sent: boolean
  constructor(message: string, sent: boolean, options?: ErrorOptions) {
    super(message, options)
    this.sent = sent
  }
}

interface Pending {
  readonly answer: PromiseWithResolvers<Response>
  readonly signal: AbortSignal
}

export interface RpcClientEvents {
  readonly activity: Activity
  onClosed(broken: FrameError | undefined): void
  onRoundTrip(durationMs: number): void
  /** The peer asks to use another connection. */
  onGoAway(): void
}

/** The asking side of one RPC stream, which it opened. */
export class RpcClient {
  readonly #channel: FrameChannel
  readonly #bodies: BodyExchange
  readonly #events: RpcClientEvents
  readonly #pending = new Map<number, Pending>()
  readonly #waiting: PromiseWithResolvers<void>[] = []
  #active = 0
  #nextId: number
  #pingId = 0
  #pingSentAt: number | undefined

  /** `firstId` must not repeat ids used before on the same connection. */
  constructor(stream: Stream, bodies: BodyExchange, firstId: number, events: RpcClientEvents) {
    this.#bodies = bodies
    this.#nextId = firstId
    this.#events = events
    this.#channel = new FrameChannel(stream, {
      onFrame: (frame) => this.#onFrame(frame),
      onClosed: (broken) => this.#onClosed(broken),
      activity: events.activity,
    })
  }

  get closed(): boolean {
    return this.#channel.closed
  }

  get nextId(): number {
    return this.#nextId
  }

  /** Requests sent or about to be sent. */
  get pendingCount(): number {
    return this.#active + this.#waiting.length
  }

  /** When the ping that is still unanswered was sent. */
  get pingSentAt(): number | undefined {
    return this.#pingSentAt
  }

  /** @throws NoAnswerError, or the signal's reason. */
  async request(outgoing: OutgoingRequest, signal: AbortSignal): Promise<Response> {
    signal.throwIfAborted()
    await this.#takeTurn(signal)
    try {
      return await this.#exchange(outgoing, signal)
    } finally {
      this.#passTurn()
    }
  }

  ping(): void {
    if (this.#pingSentAt !== undefined || this.closed) return
    this.#pingSentAt = performance.now()
    this.#pingId = (this.#pingId + 1) % FRAME_ID_MAX
    this.#channel.sendNow({ kind: 'ping', id: this.#pingId })
  }

  close(): void {
    this.#channel.close()
  }

  async #exchange({ request, body }: OutgoingRequest, signal: AbortSignal): Promise<Response> {
    signal.throwIfAborted()
    if (this.closed) throw new NoAnswerError('The connection was lost', false)
    const id = this.#nextId
    this.#nextId = (id + 1) % FRAME_ID_MAX
    const answer = Promise.withResolvers<Response>()
    answer.promise.catch(() => {})
    const ended = new AbortController()
    this.#pending.set(id, { answer, signal })
    const stop = (error: unknown): void => this.#giveUp(id, error)
    const onAbort = (): void => stop(signal.reason)
    signal.addEventListener('abort', onAbort, { once: true })
    const timer = setTimeout(() => stop(new NoAnswerError('The peer did not answer in time', true)), REQUEST_PENDING_MS_MAX)
    try {
      const head = encodeRequestHead(request, body.kind === 'streamed')
      const sent = this.#channel.send({ kind: 'request', id, head, body: body.kind === 'inline' ? body.bytes : new Uint8Array() })
      sent.catch((cause: unknown) => answer.reject(new NoAnswerError('The request could not be sent', false, { cause })))
      if (body.kind === 'streamed') this.#sendBody(id, body, AbortSignal.any([signal, ended.signal]))
      return await answer.promise
    } finally {
      clearTimeout(timer)
      signal.removeEventListener('abort', onAbort)
      this.#pending.delete(id)
      ended.abort(new StreamLostError('The request was answered'))
    }
  }

  #sendBody(id: number, body: StreamedBody, signal: AbortSignal): void {
    this.#bodies.send('request', id, body, signal).catch((error: unknown) => {
      // The peer may answer without reading the whole body: that is its right, and its answer comes.
      if (!(error instanceof StreamLostError)) this.#giveUp(id, error)
    })
  }

  #giveUp(id: number, error: unknown): void {
    const pending = this.#pending.get(id)
    if (pending === undefined) return
    this.#pending.delete(id)
    this.#channel.sendNow({ kind: 'cancel', id })
    pending.answer.reject(error)
  }

  async #takeTurn(signal: AbortSignal): Promise<void> {
    if (this.#active < OUTBOUND_REQUESTS_MAX) {
      this.#active++
      return
    }
    if (this.#waiting.length >= WAITING_REQUESTS_MAX) throw new NoAnswerError('Too many requests wait for this peer', false)
    const turn = Promise.withResolvers<void>()
    this.#waiting.push(turn)
    const onAbort = (): void => {
      const at = this.#waiting.indexOf(turn)
      if (at >= 0) this.#waiting.splice(at, 1)
      turn.reject(signal.reason)
    }
    signal.addEventListener('abort', onAbort, { once: true })
    try {
      await turn.promise
    } finally {
      signal.removeEventListener('abort', onAbort)
    }
  }

  /** Hands the place to the next who waits, or frees it. */
  #passTurn(): void {
    const next = this.#waiting.shift()
    if (next === undefined) this.#active--
    else next.resolve()
  }

  #onFrame(frame: Frame): void {
    switch (frame.kind) {
      case 'response':
        this.#onResponse(frame)
        return
      case 'cancel':
        this.#pending.get(frame.id)?.answer.reject(new NoAnswerError('The peer gave the request up', true))
        return
      case 'pong':
        this.#onPong(frame.id)
        return
      case 'go-away':
        this.#events.onGoAway()
        return
      case 'request':
      case 'ping':
        throw new FrameError('A frame came in the wrong direction')
    }
  }

  #onResponse(frame: Frame & { kind: 'response' }): void {
    const { status, headers, streamed } = parseResponseHead(frame.head)
    const init = { status, headers: buildHeaders(headers) }
    const pending = this.#pending.get(frame.id)
    // Cancelled a moment ago, most likely. A streamed body is refused by nobody claiming it.
    if (pending === undefined) return
    this.#pending.delete(frame.id)
    const answer = (body: BodyInit | null): void =>
      pending.answer.resolve(new Response(STATUSES_WITHOUT_BODY.has(status) ? null : body, init))
    if (!streamed) {
      answer(frame.body.byteLength === 0 ? null : new Uint8Array(frame.body))
      return
    }
    this.#bodies.receive('response', frame.id, pending.signal).then(answer, (cause: unknown) => {
      pending.answer.reject(new NoAnswerError('The answer has no body', true, { cause }))
    })
  }

  #onPong(id: number): void {
    if (this.#pingSentAt === undefined || id !== this.#pingId) return
    this.#events.onRoundTrip(performance.now() - this.#pingSentAt)
    this.#pingSentAt = undefined
  }

  #onClosed(broken: FrameError | undefined): void {
    for (const { answer } of this.#pending.values()) answer.reject(new NoAnswerError('The connection was lost', true))
    this.#pending.clear()
    for (const turn of this.#waiting.splice(0)) turn.reject(new NoAnswerError('The connection was lost', false))
    this.#events.onClosed(broken)
  }
}

const STATUSES_WITHOUT_BODY = new Set([204, 205, 304])

function buildHeaders(pairs: readonly (readonly [string, string])[]): Headers {
  try {
    return new Headers(pairs.map(([name, value]) => [name, value] satisfies [string, string]))
  } catch (cause) {
    throw new FrameError('A header is not valid', { cause })
  }
}
