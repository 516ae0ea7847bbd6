import type { ChannelProperties, WindowMessage } from '../rtc/rtc-messages.ts'

/** Sent bytes that the browser may hold before the worker is told to wait. */
const BUFFER_LOW_BYTES = 256 * 1024

/** A data channel that stays in the window because the browser cannot transfer it: its messages are pumped over the port. */
export class PumpedChannel {
  readonly #number: number
  readonly #channel: RTCDataChannel
  readonly #post: (message: WindowMessage, transfer?: Transferable[]) => void
  #unacknowledged = 0

  constructor(number: number, channel: RTCDataChannel, post: (message: WindowMessage, transfer?: Transferable[]) => void) {
    this.#number = number
    this.#channel = channel
    this.#post = post
    channel.binaryType = 'arraybuffer'
    channel.bufferedAmountLowThreshold = BUFFER_LOW_BYTES
    channel.addEventListener('bufferedamountlow', () => this.#acknowledge())
    channel.addEventListener('message', ({ data }: MessageEvent<ArrayBuffer | string>) => {
      post({ kind: 'message', channel: number, data }, data instanceof ArrayBuffer ? [data] : [])
    })
    for (const type of ['open', 'closing', 'close', 'error'] as const) {
      channel.addEventListener(type, () => post({ kind: 'channel-state', channel: number, type, properties: propertiesOf(channel) }))
    }
  }

  send(data: ArrayBuffer | string): void {
    if (this.#channel.readyState !== 'open') return
    try {
      if (typeof data === 'string') this.#channel.send(data)
      else this.#channel.send(data)
    } catch {
      // The buffer is full, or the channel is closing. A lost message would corrupt the stream above: better to have none.
      this.#channel.close()
      return
    }
    this.#unacknowledged += typeof data === 'string' ? data.length : data.byteLength
    if (this.#channel.bufferedAmount <= BUFFER_LOW_BYTES) this.#acknowledge()
  }

  close(): void {
    this.#channel.close()
  }

  #acknowledge(): void {
    if (this.#unacknowledged === 0) return
    this.#post({ kind: 'sent', channel: this.#number, byteLength: this.#unacknowledged })
    this.#unacknowledged = 0
  }
}

export function propertiesOf(channel: RTCDataChannel): ChannelProperties {
  const { label, id, protocol, ordered, negotiated, readyState } = channel
  return { label, id, protocol, ordered, negotiated, readyState }
}
