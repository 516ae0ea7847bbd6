import { handlerTarget } from './handler-target.ts'
import type { ChannelProperties, WorkerMessage } from './rtc-messages.ts'

type Payload = string | ArrayBuffer | ArrayBufferView<ArrayBuffer>

export interface ProxyChannelLink {
  post(message: WorkerMessage, transfer?: Transferable[]): void
  /** The channel is closed for good. */
  onClosed(): void
}

const FORWARDED = ['open', 'closing', 'close', 'bufferedamountlow'] as const

/**
 * @libp2p/webrtc opens a channel of this name to make a connection come about, waits to see it open, and closes it; the peer's side closes
 * it too. Here the news of both arrive late, and whoever waits for `open` on a channel that is closed already waits for ever. So the end
 * of such a channel is told only when it is closed on this side.
 */
const HANDSHAKE_LABEL = 'init'

/** Each has an `on…` property. */
const events = ['open', 'close', 'error', 'message', 'bufferedamountlow'] as const

/**
 * An RTCDataChannel in the worker. It exists before the real channel does; then it either wraps the real one, transferred from the
 * window, or stands for one whose messages are pumped. Text messages and Blobs are not needed here; binary ones come as ArrayBuffer.
 */
export class ProxyChannel extends handlerTarget(events) {
  readonly #number: number
  readonly #link: ProxyChannelLink
  #properties: ChannelProperties
  #real: RTCDataChannel | undefined
  /** Of pumped messages: what the window has not reported as sent. */
  #bufferedAmount = 0
  #bufferedAmountLowThreshold = 0
  readonly #hidesEnd: boolean
  #openTold = false
  #endedByPeer = false
  #closing = false
  #closed = false

  /** `incoming`: the peer opened it. */
  constructor(number: number, properties: ChannelProperties, link: ProxyChannelLink, incoming: boolean) {
    super()
    this.#number = number
    this.#properties = properties
    this.#link = link
    this.#hidesEnd = !incoming && properties.label === HANDSHAKE_LABEL
    this.addEventListener('open', () => {
      this.#openTold = true
    })
  }

  get label(): string {
    return this.#properties.label
  }
  get id(): number | null {
    return this.#real?.id ?? this.#properties.id
  }
  get protocol(): string {
    return this.#properties.protocol
  }
  get ordered(): boolean {
    return this.#properties.ordered
  }
  get negotiated(): boolean {
    return this.#properties.negotiated
  }
  get readyState(): string {
    if (this.#closed) return 'closed'
    if (this.#endedByPeer) return 'open'
    return this.#real?.readyState ?? this.#properties.readyState
  }
  get binaryType(): 'arraybuffer' {
    return 'arraybuffer'
  }
  set binaryType(type: string) {
    if (type !== 'arraybuffer') throw new DOMException('Only array buffers are supported', 'NotSupportedError')
  }
  get bufferedAmount(): number {
    return this.#real?.bufferedAmount ?? this.#bufferedAmount
  }
  get bufferedAmountLowThreshold(): number {
    return this.#bufferedAmountLowThreshold
  }
  set bufferedAmountLowThreshold(bytes: number) {
    this.#bufferedAmountLowThreshold = bytes
    if (this.#real !== undefined) this.#real.bufferedAmountLowThreshold = bytes
  }

  send(data: Payload): void {
    if (this.readyState !== 'open') throw new DOMException('The channel is not open', 'InvalidStateError')
    if (this.#real !== undefined) {
      sendOn(this.#real, data)
      return
    }
    const copy = typeof data === 'string' ? data : copyOf(data)
    this.#bufferedAmount += typeof copy === 'string' ? copy.length : copy.byteLength
    this.#link.post({ kind: 'send', channel: this.#number, data: copy }, typeof copy === 'string' ? [] : [copy])
  }

  close(): void {
    if (this.#closed) return
    this.#closing = true
    if (this.#endedByPeer) {
      queueMicrotask(() => this.end())
    } else if (this.#real === undefined) {
      this.#link.post({ kind: 'close-channel', channel: this.#number })
      // The browser reports the end of a channel later than the call, never inside it.
      queueMicrotask(() => this.end())
    } else {
      this.#real.close()
    }
  }

  /** The real channel came over. */
  wrap(real: RTCDataChannel): void {
    if (this.#closed) {
      real.close()
      return
    }
    this.#real = real
    real.binaryType = 'arraybuffer'
    real.bufferedAmountLowThreshold = this.#bufferedAmountLowThreshold
    real.addEventListener('message', ({ data }) => this.receive(data))
    real.addEventListener('error', (event) => this.dispatchEvent(new ErrorEvent('error', { error: errorOf(event) })))
    for (const type of FORWARDED) {
      real.addEventListener(type, () => {
        if (type === 'close') this.end()
        else this.dispatchEvent(new Event(type))
      })
    }
    // It may have opened on the way, when nobody listened.
    if (this.#properties.readyState === 'connecting' && real.readyState === 'open') this.dispatchEvent(new Event('open'))
    if (real.readyState === 'closed') this.end()
  }

  update(properties: ChannelProperties): void {
    this.#properties = properties
  }

  receive(data: unknown): void {
    if (!this.#closed) this.dispatchEvent(new MessageEvent('message', { data }))
  }

  fail(): void {
    this.dispatchEvent(new ErrorEvent('error', { error: new Error('The data channel failed') }))
  }

  acknowledge(byteLength: number): void {
    const before = this.#bufferedAmount
    this.#bufferedAmount = Math.max(0, before - byteLength)
    const threshold = this.#bufferedAmountLowThreshold
    if (before > threshold && this.#bufferedAmount <= threshold) this.dispatchEvent(new Event('bufferedamountlow'))
  }

  /** The channel has ended, by either side. Reported once. */
  end(): void {
    if (this.#closed) return
    if (this.#hidesEnd && !this.#closing) {
      this.#endedByPeer = true
      if (!this.#openTold) this.dispatchEvent(new Event('open'))
      return
    }
    this.#report()
  }

  /** The connection has ended, and the channel with it. */
  endWithConnection(): void {
    if (!this.#closed) this.#report()
  }

  #report(): void {
    this.#closed = true
    this.#link.onClosed()
    this.dispatchEvent(new Event('close'))
  }
}

function sendOn(channel: RTCDataChannel, data: Payload): void {
  if (typeof data === 'string') channel.send(data)
  else if (data instanceof ArrayBuffer) channel.send(data)
  else channel.send(data)
}

function copyOf(data: ArrayBuffer | ArrayBufferView<ArrayBuffer>): ArrayBuffer {
  if (data instanceof ArrayBuffer) return data.slice(0)
  return data.buffer.slice(data.byteOffset, data.byteOffset + data.byteLength)
}

function errorOf(event: Event): unknown {
  return 'error' in event ? event.error : new Error('The data channel failed')
}
