import { RTC_CERTIFICATES_MAX, RTC_CONNECTIONS_MAX } from '../limits.ts'
import { HostedConnection } from './hosted-connection.ts'
import { parseWorkerMessage } from './parse-worker-message.ts'
import type { GeneratedCertificate, RtcConnectionSummary, WindowMessage, WorkerMessage } from '../rtc/rtc-messages.ts'

export type { RtcConnectionSummary } from '../rtc/rtc-messages.ts'

/** The only kind of key that all implementations of WebRTC know. */
const KEY_ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256' }

export interface RtcHost extends Disposable {
  /** Of the connections that are open now. */
  summaries(): Promise<RtcConnectionSummary[]>
}

/**
 * Lets a worker use this window's RTCPeerConnections over the port (its other end goes to `installRtcProxy`). Certificates never leave
 * the window. Ends with the worker, with the page, or when disposed; then all connections are closed.
 */
export function hostRtc(port: MessagePort): RtcHost {
  const host = new Host(port)
  // Peers learn at once that the page is gone, instead of after their patience.
  addEventListener('pagehide', ({ persisted }) => {
    if (!persisted) host[Symbol.dispose]()
  })
  return host
}

class Host implements RtcHost {
  readonly #port: MessagePort
  readonly #connections = new Map<number, HostedConnection>()
  readonly #certificates = new Map<number, RTCCertificate>()
  readonly #transfer = { works: true }
  #nextOdd = 1
  #disposed = false

  constructor(port: MessagePort) {
    this.#port = port
    port.addEventListener('message', this.#onMessage)
    port.addEventListener('close', () => this[Symbol.dispose]())
    port.start()
  }

  async summaries(): Promise<RtcConnectionSummary[]> {
    return Promise.all([...this.#connections.values()].map(async (connection) => connection.summary()))
  }

  [Symbol.dispose](): void {
    if (this.#disposed) return
    this.#disposed = true
    this.#port.removeEventListener('message', this.#onMessage)
    for (const connection of this.#connections.values()) connection.close()
    this.#connections.clear()
    this.#certificates.clear()
    this.#port.close()
  }

  readonly #onMessage = ({ data }: MessageEvent<unknown>): void => {
    const message = parseWorkerMessage(data)
    if (message !== undefined) this.#handle(message)
  }

  #handle(message: WorkerMessage): void {
    switch (message.kind) {
      case 'open':
        this.#open(message)
        return
      case 'call':
        void this.#call(message)
        return
      case 'close':
        this.#connections.get(message.connection)?.close()
        this.#connections.delete(message.connection)
        return
      case 'open-channel':
        this.#openChannel(message)
        return
      case 'generate-certificate':
        void this.#generateCertificate(message.call)
        return
      case 'send':
        this.#holding(message.channel)?.send(message.channel, message.data)
        return
      case 'close-channel':
        this.#holding(message.channel)?.closeChannel(message.channel)
        return
      case 'dispose':
        this[Symbol.dispose]()
    }
  }

  #open({ connection, iceServers, certificates }: WorkerMessage & { kind: 'open' }): void {
    if (this.#connections.has(connection)) return
    try {
      if (this.#connections.size >= RTC_CONNECTIONS_MAX) throw new Error('Too many connections')
      const configuration: RTCConfiguration = {
        iceServers: iceServers.map((server) => ({ ...server, urls: typeof server.urls === 'string' ? server.urls : [...server.urls] })),
      }
      if (certificates.length > 0) configuration.certificates = certificates.map((handle) => this.#certificate(handle))
      const hosted = new HostedConnection({
        number: connection,
        configuration,
        nextNumber: () => this.#odd(),
        post: this.#post,
        transfer: this.#transfer,
      })
      this.#connections.set(connection, hosted)
    } catch {
      this.#postClosed(connection)
    }
  }

  async #call({ connection, call, what }: WorkerMessage & { kind: 'call' }): Promise<void> {
    const hosted = this.#connections.get(connection)
    try {
      if (hosted === undefined) throw new DOMException('The connection is closed', 'InvalidStateError')
      const value = await hosted.call(what)
      this.#post({ kind: 'result', call, value, state: hosted.state() })
    } catch (error) {
      this.#postFailure(call, error)
    }
  }

  #openChannel({ connection, channel, label, options }: WorkerMessage & { kind: 'open-channel' }): void {
    const hosted = this.#connections.get(connection)
    try {
      if (hosted === undefined) throw new Error('The connection is closed')
      hosted.openChannel(channel, label, options)
    } catch {
      const properties = { label, id: null, protocol: '', ordered: true, negotiated: false, readyState: 'closed' }
      this.#post({ kind: 'channel-state', channel, type: 'close', properties })
    }
  }

  async #generateCertificate(call: number): Promise<void> {
    try {
      const certificate = await RTCPeerConnection.generateCertificate(KEY_ALGORITHM)
      const handle = this.#odd()
      this.#certificates.set(handle, certificate)
      for (const oldest of this.#certificates.keys()) if (this.#certificates.size > RTC_CERTIFICATES_MAX) this.#certificates.delete(oldest)
      this.#post({ kind: 'result', call, value: { handle, expires: certificate.expires } satisfies GeneratedCertificate })
    } catch (error) {
      this.#postFailure(call, error)
    }
  }

  #certificate(handle: number): RTCCertificate {
    const certificate = this.#certificates.get(handle)
    if (certificate === undefined) throw new Error('The certificate is no longer known')
    return certificate
  }

  #holding(channel: number): HostedConnection | undefined {
    for (const connection of this.#connections.values()) if (connection.hasChannel(channel)) return connection
    return undefined
  }

  #odd(): number {
    this.#nextOdd += 2
    return this.#nextOdd
  }

  readonly #post = (message: WindowMessage, transfer: Transferable[] = []): void => {
    if (!this.#disposed) this.#port.postMessage(message, transfer)
  }

  #postFailure(call: number, error: unknown): void {
    const { name, message } = error instanceof Error ? error : new Error('unknown')
    this.#post({ kind: 'failure', call, name, message })
  }

  #postClosed(connection: number): void {
    const state = {
      connectionState: 'closed',
      iceConnectionState: 'closed',
      iceGatheringState: 'complete',
      signalingState: 'closed',
      localDescription: null,
      remoteDescription: null,
    }
    this.#post({ kind: 'event', connection, type: 'connectionstatechange', state })
  }
}
