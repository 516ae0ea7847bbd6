import type { PeerRequestHandler } from '@kith/homeserver/ports'
import type { Log } from '@kith/homeserver/ports'
import type { ServerName } from '@kith/matrix-protocol'
import type { Stream } from '@libp2p/interface'
import { INBOUND_REQUESTS_MAX, REQUEST_PENDING_MS_MAX } from '../limits.ts'
import { deferredBody, prepareBody, type OutgoingBody } from './body.ts'
import type { BodyExchange } from './body-exchange.ts'
import { FrameChannel, type Activity } from './frame-channel.ts'
import { FrameError, type Frame } from './frame.ts'
import { encodeResponseHead, parseRequestHead, type RequestHead } from './head.ts'
import { StreamLostError } from './stream-writer.ts'

export interface RpcServerOptions {
  /** Who asks; proven by the transport. */
  readonly origin: ServerName
  /** This node. */
  readonly self: ServerName
  readonly bodies: BodyExchange
  readonly handler: PeerRequestHandler
  readonly log: Log
  readonly activity: Activity
  onClosed(broken: FrameError | undefined): void
}

/** The answering side of one RPC stream, which the peer opened. */
export class RpcServer {
  readonly #options: RpcServerOptions
  readonly #channel: FrameChannel
  readonly #active = new Map<number, AbortController>()

  constructor(stream: Stream, options: RpcServerOptions) {
    this.#options = options
    this.#channel = new FrameChannel(stream, {
      onFrame: (frame) => this.#onFrame(frame),
      onClosed: (broken) => this.#onClosed(broken),
      activity: options.activity,
    })
  }

  get closed(): boolean {
    return this.#channel.closed
  }

  get activeCount(): number {
    return this.#active.size
  }

  /** Tells the peer to ask no more here. Requests under way are still answered. */
  goAway(): void {
    this.#channel.sendNow({ kind: 'go-away', id: 0 })
  }

  close(): void {
    this.#channel.close()
  }

  #onFrame(frame: Frame): void {
    switch (frame.kind) {
      case 'request':
        this.#onRequest(frame)
        return
      case 'cancel':
        this.#active.get(frame.id)?.abort(new StreamLostError('The peer gave the request up'))
        return
      case 'ping':
        this.#channel.sendNow({ kind: 'pong', id: frame.id })
        return
      case 'response':
      case 'pong':
      case 'go-away':
        throw new FrameError('A frame came in the wrong direction')
    }
  }

  #onRequest(frame: Frame & { kind: 'request' }): void {
    const head = parseRequestHead(frame.head)
    if (this.#active.has(frame.id)) throw new FrameError('A request id is used twice')
    if (this.#active.size >= INBOUND_REQUESTS_MAX) {
      this.#refuse(frame.id, 429, 'M_LIMIT_EXCEEDED', 'Too many requests at once')
      return
    }
    const controller = new AbortController()
    this.#active.set(frame.id, controller)
    const timer = setTimeout(() => controller.abort(new StreamLostError('The request took too long')), REQUEST_PENDING_MS_MAX)
    const finished = (): void => {
      clearTimeout(timer)
      this.#active.delete(frame.id)
    }
    this.#answer(frame.id, head, frame.body, controller.signal).then(finished, (error: unknown) => {
      finished()
      this.#options.log.error('rpc: a request could not be answered', {
        peer: this.#options.origin,
        error: error instanceof Error ? error.message : 'unknown',
      })
      this.#channel.sendNow({ kind: 'cancel', id: frame.id })
    })
  }

  async #answer(id: number, head: RequestHead, body: Uint8Array, signal: AbortSignal): Promise<void> {
    const answered = new AbortController()
    try {
      const incoming = head.streamed ? this.#receiveBody(id, AbortSignal.any([signal, answered.signal])) : body
      const request = this.#buildRequest(head, incoming, signal)
      if (request === undefined) this.#refuse(id, 400, 'M_UNKNOWN', 'The request is not valid')
      else await this.#respond(id, request, signal)
    } finally {
      // What the handler did not read of a long body will not be read any more.
      answered.abort(new StreamLostError('The request was answered'))
    }
  }

  /** Claimed at once, read when the handler reads. */
  #receiveBody(id: number, signal: AbortSignal): ReadableStream<Uint8Array<ArrayBuffer>> {
    const body = this.#options.bodies.receive('request', id, signal)
    body.catch(() => {})
    return deferredBody(async () => body)
  }

  async #respond(id: number, request: Request, signal: AbortSignal): Promise<void> {
    const response = await this.#handle(request, signal)
    if (response === undefined) return
    let prepared: OutgoingBody | undefined
    try {
      prepared = await prepareBody(response, signal)
      await this.#channel.send({
        kind: 'response',
        id,
        head: encodeResponseHead(response, prepared.kind === 'streamed'),
        body: prepared.kind === 'inline' ? prepared.bytes : new Uint8Array(),
      })
      if (prepared.kind === 'streamed') await this.#options.bodies.send('response', id, prepared, signal)
    } catch (error) {
      if (prepared?.kind === 'streamed') prepared.cancel()
      // The peer is gone, or wants no more: nobody is left to tell.
      if (!signal.aborted && !this.closed && !(error instanceof StreamLostError)) throw error
    }
  }

  /** Undefined when nobody waits for the response any more. */
  async #handle(request: Request, signal: AbortSignal): Promise<Response | undefined> {
    const aborted = Promise.withResolvers<undefined>()
    const onAbort = (): void => aborted.resolve(undefined)
    signal.addEventListener('abort', onAbort, { once: true })
    const handled = this.#options.handler(this.#options.origin, request)
    try {
      const response = await Promise.race([handled, aborted.promise])
      if (response === undefined)
        handled
          .then(
            (late) => late.body?.cancel(),
            () => {},
          )
          .catch(() => {})
      return response
    } catch (error) {
      if (signal.aborted) return undefined
      this.#options.log.error('rpc: the handler of peer requests threw', {
        peer: this.#options.origin,
        error: error instanceof Error ? error.message : 'unknown',
      })
      return Response.json({ errcode: 'M_UNKNOWN', error: 'Internal error' }, { status: 500 })
    } finally {
      signal.removeEventListener('abort', onAbort)
    }
  }

  /** Undefined when the platform refuses the method, a header, or a body where none may be. */
  #buildRequest(head: RequestHead, body: Uint8Array | ReadableStream<Uint8Array<ArrayBuffer>>, signal: AbortSignal): Request | undefined {
    const headers = head.headers.map(([name, value]) => [name, value] satisfies [string, string])
    const init = { method: head.method, headers, signal }
    const url = `https://${this.#options.self}${head.path}`
    try {
      // `duplex` is required for streamed bodies and missing from the compiler's library.
      if (body instanceof ReadableStream) return new Request(url, { ...init, body, ...{ duplex: 'half' } })
      return new Request(url, body.byteLength === 0 ? init : { ...init, body: new Uint8Array(body) })
    } catch {
      return undefined
    }
  }

  #refuse(id: number, status: number, errcode: string, error: string): void {
    const body = new TextEncoder().encode(JSON.stringify({ errcode, error }))
    const head = encodeResponseHead(new Response(null, { status, headers: { 'content-type': 'application/json' } }), false)
    this.#channel.sendNow({ kind: 'response', id, head, body })
  }

  #onClosed(broken: FrameError | undefined): void {
    for (const controller of this.#active.values()) controller.abort(new StreamLostError('The connection was lost'))
    this.#options.onClosed(broken)
  }
}
