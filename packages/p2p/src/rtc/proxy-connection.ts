import { handlerTarget } from './handler-target.ts'
import { ProxyChannel } from './proxy-channel.ts'
import type { RtcPort } from './rtc-port.ts'
import type { Call, Candidate, ChannelOptions, ConnectionState, Description, IceServer, WindowMessage } from './rtc-messages.ts'

const NEW: ConnectionState = {
  connectionState: 'new',
  iceConnectionState: 'new',
  iceGatheringState: 'new',
  signalingState: 'stable',
  localDescription: null,
  remoteDescription: null,
}

/** Stands for an RTCCertificate, which cannot leave the window. */
export class ProxyCertificate {
  readonly handle: number
  readonly expires: number
  constructor(handle: number, expires: number) {
    this.handle = handle
    this.expires = expires
  }
}

export interface ProxyConfiguration {
  readonly iceServers?: readonly IceServer[]
  readonly certificates?: readonly ProxyCertificate[]
}

export class ProxySessionDescription implements Description {
  readonly type: Description['type']
  readonly sdp: string
  constructor({ type, sdp }: { readonly type: Description['type']; readonly sdp?: string }) {
    this.type = type
    this.sdp = sdp ?? ''
  }
  toJSON(): Description {
    return { type: this.type, sdp: this.sdp }
  }
}

export class ProxyIceCandidate implements Candidate {
  readonly candidate: string
  readonly sdpMid: string | null
  readonly sdpMLineIndex: number | null
  readonly usernameFragment: string | null
  constructor({ candidate, sdpMid, sdpMLineIndex, usernameFragment }: Candidate = {}) {
    this.candidate = candidate ?? ''
    this.sdpMid = sdpMid ?? null
    this.sdpMLineIndex = sdpMLineIndex ?? null
    this.usernameFragment = usernameFragment ?? null
  }
  toJSON(): Candidate {
    const { candidate, sdpMid, sdpMLineIndex, usernameFragment } = this
    return { candidate, sdpMid, sdpMLineIndex, usernameFragment }
  }
}

class CandidateEvent extends Event {
  readonly candidate: ProxyIceCandidate | null
  constructor(candidate: Candidate | null) {
    super('icecandidate')
    this.candidate = candidate === null ? null : new ProxyIceCandidate(candidate)
  }
}

class ChannelEvent extends Event {
  readonly channel: ProxyChannel
  constructor(channel: ProxyChannel) {
    super('datachannel')
    this.channel = channel
  }
}

/** Each has an `on…` property. */
const events = [
  'connectionstatechange',
  'iceconnectionstatechange',
  'icegatheringstatechange',
  'signalingstatechange',
  'negotiationneeded',
  'icecandidate',
  'icecandidateerror',
  'datachannel',
] as const

/** An RTCPeerConnection in the worker. The real one is in the window; what is read synchronously is mirrored here. */
export class ProxyConnection extends handlerTarget(events) {
  readonly #port: RtcPort
  readonly #number: number
  readonly #channels = new Set<ProxyChannel>()
  #state = NEW
  #closed = false

  constructor(port: RtcPort, configuration: ProxyConfiguration = {}) {
    super()
    this.#port = port
    this.#number = port.addConnection(this)
    const certificates = (configuration.certificates ?? []).map(({ handle }) => handle)
    port.post({
      kind: 'open',
      connection: this.#number,
      iceServers: (configuration.iceServers ?? []).map((server) => ({ ...server })),
      certificates,
    })
  }

  get connectionState(): string {
    return this.#state.connectionState
  }
  get iceConnectionState(): string {
    return this.#state.iceConnectionState
  }
  get iceGatheringState(): string {
    return this.#state.iceGatheringState
  }
  get signalingState(): string {
    return this.#state.signalingState
  }
  get localDescription(): ProxySessionDescription | null {
    const { localDescription } = this.#state
    return localDescription === null ? null : new ProxySessionDescription(localDescription)
  }
  get remoteDescription(): ProxySessionDescription | null {
    const { remoteDescription } = this.#state
    return remoteDescription === null ? null : new ProxySessionDescription(remoteDescription)
  }

  async createOffer(): Promise<unknown> {
    return this.#call({ method: 'createOffer' })
  }

  async createAnswer(): Promise<unknown> {
    return this.#call({ method: 'createAnswer' })
  }

  async setLocalDescription(description?: Description): Promise<void> {
    await this.#call({ method: 'setLocalDescription', argument: description === undefined ? undefined : plain(description) })
  }

  async setRemoteDescription(description: Description): Promise<void> {
    await this.#call({ method: 'setRemoteDescription', argument: plain(description) })
  }

  async addIceCandidate(candidate: Candidate = {}): Promise<void> {
    await this.#call({ method: 'addIceCandidate', argument: new ProxyIceCandidate(candidate).toJSON() })
  }

  /** A map of the statistics, as the browser's report is. */
  async getStats(): Promise<ReadonlyMap<string, unknown>> {
    const entries = await this.#call({ method: 'getStats' })
    return new Map(Array.isArray(entries) ? entries : [])
  }

  createDataChannel(label: string, options: ChannelOptions = {}): ProxyChannel {
    if (this.#closed) throw new DOMException('The connection is closed', 'InvalidStateError')
    const properties = {
      label,
      id: options.id ?? null,
      protocol: options.protocol ?? '',
      ordered: options.ordered ?? true,
      negotiated: options.negotiated ?? false,
      readyState: 'connecting',
    }
    const number = this.#port.nextNumber()
    const channel = this.#addChannel(number, properties, false)
    this.#port.post({ kind: 'open-channel', connection: this.#number, channel: number, label, options: { ...options } })
    return channel
  }

  close(): void {
    if (this.#closed) return
    this.#port.post({ kind: 'close', connection: this.#number })
    this.#end()
  }

  /** The window said something about this connection. */
  receive(message: WindowMessage & { kind: 'event' | 'candidate' | 'channel' }): void {
    if (this.#closed) return
    switch (message.kind) {
      case 'event':
        this.#state = message.state
        this.dispatchEvent(new Event(message.type))
        if (message.state.connectionState === 'closed') this.#end()
        return
      case 'candidate':
        this.#state = message.state
        this.dispatchEvent(new CandidateEvent(message.candidate))
        return
      case 'channel': {
        const channel = this.#addChannel(message.channel, message.properties, true)
        if (message.transferred instanceof RTCDataChannel) channel.wrap(message.transferred)
        this.dispatchEvent(new ChannelEvent(channel))
      }
    }
  }

  applyState(state: ConnectionState): void {
    if (!this.#closed) this.#state = state
  }

  #end(): void {
    this.#closed = true
    this.#state = { ...this.#state, connectionState: 'closed', iceConnectionState: 'closed', signalingState: 'closed' }
    this.#port.removeConnection(this.#number)
    queueMicrotask(() => {
      for (const channel of this.#channels) channel.endWithConnection()
      // Not in the standard, but @libp2p/webrtc and node-datachannel know it.
      this.dispatchEvent(new Event('close'))
    })
  }

  #addChannel(number: number, properties: ConstructorParameters<typeof ProxyChannel>[1], incoming: boolean): ProxyChannel {
    const channel = new ProxyChannel(
      number,
      properties,
      {
        post: (message, transfer) => this.#port.post(message, transfer),
        onClosed: () => {
          this.#channels.delete(channel)
          this.#port.removeChannel(number)
          if (!this.#closed) this.#port.post({ kind: 'close-channel', channel: number })
        },
      },
      incoming,
    )
    this.#channels.add(channel)
    this.#port.addChannel(number, channel)
    return channel
  }

  async #call(what: Call): Promise<unknown> {
    if (this.#closed) throw new DOMException('The connection is closed', 'InvalidStateError')
    return this.#port.call((call) => ({ kind: 'call', connection: this.#number, call, what }), this)
  }
}

function plain({ type, sdp }: Description): Description {
  return { type, sdp }
}
