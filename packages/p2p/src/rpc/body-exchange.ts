import type { Connection, Stream } from '@libp2p/interface'
import { OPEN_STREAM_MS_MAX, UNCLAIMED_BODIES_MAX, UNCLAIMED_BODY_MS_MAX } from '../limits.ts'
import type { StreamedBody } from './body.ts'
import type { BodyRole } from './body-framing.ts'
import { BodyReceiver } from './body-receiver.ts'
import type { Activity } from './frame-channel.ts'
import { sendBody } from './send-body.ts'
import { StreamLostError } from './stream-writer.ts'

export const BODY_PROTOCOL = '/kith/rpc-body/1.0.0'

interface Meeting {
  readonly receiver: PromiseWithResolvers<BodyReceiver>
  /** Whether a body came (and waits for its message) or a message waits for its body. */
  readonly came: boolean
  readonly timer: ReturnType<typeof setTimeout>
}

/**
 * The long bodies of one connection. A body and the frame that it belongs to come on different streams, so either may come first:
 * whoever is first waits here, for a bounded time and in bounded number.
 */
export class BodyExchange {
  readonly #connection: Connection
  readonly #activity: Activity
  readonly #meetings = new Map<string, Meeting>()
  #unclaimed = 0
  #receiving = 0

  constructor(connection: Connection, activity: Activity) {
    this.#connection = connection
    this.#activity = activity
  }

  /** Bodies that belong to a message and of which more bytes are to come. */
  get receivingCount(): number {
    return this.#receiving
  }

  /** @throws what `sendBody` throws. */
  async send(role: BodyRole, id: number, body: StreamedBody, signal: AbortSignal): Promise<void> {
    let stream: Stream
    try {
      const opening = AbortSignal.any([signal, AbortSignal.timeout(OPEN_STREAM_MS_MAX)])
      stream = await this.#connection.newStream(BODY_PROTOCOL, { signal: opening, runOnLimitedConnection: true })
    } catch (cause) {
      body.cancel()
      signal.throwIfAborted()
      throw new StreamLostError('The stream of a body could not be opened', { cause })
    }
    await sendBody(stream, role, id, body, signal, this.#activity)
  }

  /** The body of a message whose head says that it is streamed. @throws StreamLostError when it does not come. */
  async receive(role: BodyRole, id: number, signal: AbortSignal): Promise<ReadableStream<Uint8Array<ArrayBuffer>>> {
    const key = `${role} ${id}`
    const meeting = this.#meetings.get(key)
    const receiver = meeting?.came === true ? await this.#take(key, meeting).receiver.promise : await this.#wait(key).receiver.promise
    const abort = (): void =>
      receiver.abort(signal.reason instanceof Error ? signal.reason : new StreamLostError('The body is no longer wanted'))
    if (signal.aborted) abort()
    signal.addEventListener('abort', abort, { once: true })
    this.#receiving++
    void receiver.ended.then(() => {
      this.#receiving--
      signal.removeEventListener('abort', abort)
    })
    return receiver.body
  }

  /** A stream of BODY_PROTOCOL that the peer opened. */
  async accept(stream: Stream): Promise<void> {
    if (this.#unclaimed >= UNCLAIMED_BODIES_MAX) {
      stream.abort(new Error('Too many bodies without a message'))
      return
    }
    const receiver = new BodyReceiver(stream, this.#activity)
    this.#unclaimed++
    const late = setTimeout(() => receiver.abort(new StreamLostError('A body has no header')), UNCLAIMED_BODY_MS_MAX)
    try {
      const { role, id } = await receiver.header
      this.#meet(`${role} ${id}`, receiver)
    } catch {
      // The stream was lost or reset before it said what it is.
    } finally {
      this.#unclaimed--
      clearTimeout(late)
    }
  }

  close(): void {
    for (const meeting of this.#meetings.values()) {
      clearTimeout(meeting.timer)
      meeting.receiver.reject(new StreamLostError('The connection was lost'))
    }
    this.#meetings.clear()
  }

  #meet(key: string, receiver: BodyReceiver): void {
    const meeting = this.#meetings.get(key)
    if (meeting?.came === true || (meeting === undefined && this.#cameCount() >= UNCLAIMED_BODIES_MAX)) {
      receiver.abort(new Error('The body belongs to nothing'))
    } else if (meeting === undefined) {
      const came = this.#add(key, true, () => receiver.abort(new StreamLostError('A body was not claimed')))
      came.receiver.resolve(receiver)
    } else {
      this.#take(key, meeting).receiver.resolve(receiver)
    }
  }

  #wait(key: string): Meeting {
    return this.#add(key, false, () => {})
  }

  #add(key: string, came: boolean, onLate: () => void): Meeting {
    const receiver = Promise.withResolvers<BodyReceiver>()
    receiver.promise.catch(() => {})
    const timer = setTimeout(() => {
      this.#meetings.delete(key)
      receiver.reject(new StreamLostError('A body did not come'))
      onLate()
    }, UNCLAIMED_BODY_MS_MAX)
    const meeting = { receiver, came, timer }
    this.#meetings.set(key, meeting)
    return meeting
  }

  #take(key: string, meeting: Meeting): Meeting {
    clearTimeout(meeting.timer)
    this.#meetings.delete(key)
    return meeting
  }

  #cameCount(): number {
    let count = 0
    for (const meeting of this.#meetings.values()) if (meeting.came) count++
    return count
  }
}
