import type { ProxyChannel } from './proxy-channel.ts'
import type { ProxyConnection } from './proxy-connection.ts'
import type { WindowMessage, WorkerMessage } from './rtc-messages.ts'

interface PendingCall {
  readonly result: PromiseWithResolvers<unknown>
  readonly connection: ProxyConnection | undefined
}

/** The worker's end of the port: numbers its objects and takes the window's messages to them. */
export class RtcPort {
  readonly #port: MessagePort
  readonly #connections = new Map<number, ProxyConnection>()
  readonly #channels = new Map<number, ProxyChannel>()
  readonly #calls = new Map<number, PendingCall>()
  #nextEven = 0

  constructor(port: MessagePort) {
    this.#port = port
    port.addEventListener('message', ({ data }: MessageEvent<WindowMessage>) => this.#handle(data))
    port.start()
  }

  nextNumber(): number {
    this.#nextEven += 2
    return this.#nextEven
  }

  post(message: WorkerMessage, transfer: Transferable[] = []): void {
    this.#port.postMessage(message, transfer)
  }

  /** @throws what the window's object threw, as a DOMException of the same name. */
  async call(message: (call: number) => WorkerMessage, connection?: ProxyConnection): Promise<unknown> {
    const call = this.nextNumber()
    const result = Promise.withResolvers<unknown>()
    this.#calls.set(call, { result, connection })
    this.post(message(call))
    return result.promise
  }

  addConnection(connection: ProxyConnection): number {
    const number = this.nextNumber()
    this.#connections.set(number, connection)
    return number
  }

  removeConnection(number: number): void {
    this.#connections.delete(number)
  }

  addChannel(number: number, channel: ProxyChannel): void {
    this.#channels.set(number, channel)
  }

  removeChannel(number: number): void {
    this.#channels.delete(number)
  }

  dispose(): void {
    for (const connection of [...this.#connections.values()]) connection.close()
    this.post({ kind: 'dispose' })
    this.#port.close()
  }

  #handle(message: WindowMessage): void {
    switch (message.kind) {
      case 'result':
      case 'failure':
        this.#settle(message)
        return
      case 'event':
      case 'candidate':
        this.#connections.get(message.connection)?.receive(message)
        return
      case 'channel':
        this.#onChannel(message)
        return
      case 'channel-state':
        this.#onChannelState(message)
        return
      case 'message':
        this.#channels.get(message.channel)?.receive(message.data)
        return
      case 'sent':
        this.#channels.get(message.channel)?.acknowledge(message.byteLength)
    }
  }

  #settle(message: WindowMessage & { kind: 'result' | 'failure' }): void {
    const pending = this.#calls.get(message.call)
    this.#calls.delete(message.call)
    if (message.kind === 'failure') {
      pending?.result.reject(new DOMException(message.message, message.name))
      return
    }
    // Whoever awaits the call may read the new state right after.
    if (message.state !== undefined) pending?.connection?.applyState(message.state)
    pending?.result.resolve(message.value)
  }

  #onChannel(message: WindowMessage & { kind: 'channel' }): void {
    if (message.incoming) {
      this.#connections.get(message.connection)?.receive(message)
      return
    }
    const channel = this.#channels.get(message.channel)
    if (message.transferred instanceof RTCDataChannel) {
      if (channel === undefined) message.transferred.close()
      else channel.wrap(message.transferred)
    } else {
      channel?.update(message.properties)
    }
  }

  #onChannelState({ channel: number, type, properties }: WindowMessage & { kind: 'channel-state' }): void {
    const channel = this.#channels.get(number)
    if (channel === undefined) return
    channel.update(properties)
    if (type === 'close') channel.end()
    else if (type === 'error') channel.fail()
    else channel.dispatchEvent(new Event(type))
  }
}
