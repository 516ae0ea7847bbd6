import type { Stream, StreamMessageEvent } from '@libp2p/interface'
import { RPC_READ_BUFFER_BYTES_MAX } from '../limits.ts'
import { encodeFrame, FrameDecoder, FrameError, type Frame } from './frame.ts'
import { StreamWriter } from './stream-writer.ts'

export interface FrameChannelEvents {
  /** May throw FrameError when the frame makes no sense here: the channel then closes. */
  onFrame(frame: Frame): void
  /** Once, when nothing more will come. `broken`: the peer sent something that is not the protocol. */
  onClosed(broken: FrameError | undefined): void
  readonly activity: Activity
}

/** What tells whether the peer lives, and how long it may take to show it. */
export interface Activity {
  /** Bytes came: the peer lives. */
  onReceived(): void
  onSent(byteLength: number): void
}

/** Frames over one libp2p stream. */
export class FrameChannel {
  readonly #stream: Stream
  readonly #writer: StreamWriter
  readonly #decoder = new FrameDecoder()
  readonly #events: FrameChannelEvents
  #closed = false

  constructor(stream: Stream, events: FrameChannelEvents) {
    this.#stream = stream
    this.#events = events
    this.#writer = new StreamWriter(stream)
    stream.maxReadBufferLength = RPC_READ_BUFFER_BYTES_MAX
    stream.addEventListener('close', () => this.#onClosed(undefined))
    stream.addEventListener('remoteCloseWrite', () => this.close())
    stream.addEventListener('message', (event) => this.#onMessage(event))
    // What happened before this object listened is not reported again.
    if (stream.status !== 'open') queueMicrotask(() => this.#onClosed(undefined))
  }

  get closed(): boolean {
    return this.#closed
  }

  /** Waits while the peer does not keep up. @throws StreamLostError */
  async send(frame: Frame): Promise<void> {
    // Bytes read while the peer does not take ours would only produce more of ours.
    if (this.#writer.blocked) this.#pauseUntilReady()
    const bytes = encodeFrame(frame)
    await this.#writer.write(bytes)
    this.#events.activity.onSent(bytes.byteLength)
  }

  /** Without waiting, for the small frames. A lost stream is not an error here: its closing is reported once, by the event. */
  sendNow(frame: Frame): void {
    if (this.#closed) return
    try {
      this.#writer.writeNow(encodeFrame(frame))
    } catch {
      // Reported by onClosed.
    }
  }

  close(): void {
    if (this.#closed) return
    this.#onClosed(undefined)
    if (this.#stream.status === 'open') this.#stream.abort(new Error('The channel is closed'))
  }

  #onMessage(event: StreamMessageEvent): void {
    if (this.#closed) return
    this.#events.activity.onReceived()
    try {
      // A TCP chunk is a view of a larger pool; the decoder copies what it keeps.
      for (const frame of this.#decoder.push(event.data.subarray())) {
        if (this.#closed) return
        this.#events.onFrame(frame)
      }
    } catch (error) {
      if (!(error instanceof FrameError)) throw error
      this.#onClosed(error)
      this.#stream.abort(error)
    }
  }

  #pauseUntilReady(): void {
    if (this.#stream.readStatus !== 'readable') return
    this.#stream.pause()
    const resume = (): void => {
      if (this.#stream.readStatus === 'paused') this.#stream.resume()
    }
    this.#writer.ready().then(resume, resume)
  }

  #onClosed(broken: FrameError | undefined): void {
    if (this.#closed) return
    this.#closed = true
    this.#events.onClosed(broken)
  }
}
