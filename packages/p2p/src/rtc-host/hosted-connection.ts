import { RTC_CHANNELS_PER_CONNECTION_MAX } from '../limits.ts'
import { PumpedChannel, propertiesOf } from './hosted-channel.ts'
import {
  CONNECTION_EVENTS,
  type Call,
  type Candidate,
  type ChannelOptions,
  type ConnectionState,
  type Description,
  type RtcConnectionSummary,
  type WindowMessage,
} from '../rtc/rtc-messages.ts'

export interface HostedConnectionOptions {
  readonly number: number
  readonly configuration: RTCConfiguration
  /** Numbers for incoming channels. */
  readonly nextNumber: () => number
  /** @throws DataCloneError when something to transfer cannot be. */
  readonly post: (message: WindowMessage, transfer?: Transferable[]) => void
  /** Whether data channels can be transferred; found out with the first. */
  readonly transfer: { works: boolean }
}

/** A real RTCPeerConnection in the window, driven by the worker. */
export class HostedConnection {
  readonly #options: HostedConnectionOptions
  readonly #connection: RTCPeerConnection
  /** Undefined for transferred channels, which live in the worker. */
  readonly #channels = new Map<number, PumpedChannel | undefined>()

  constructor(options: HostedConnectionOptions) {
    this.#options = options
    this.#connection = new RTCPeerConnection(options.configuration)
    const { number: connection, post } = options
    for (const type of CONNECTION_EVENTS)
      this.#connection.addEventListener(type, () => post({ kind: 'event', connection, type, state: this.state() }))
    this.#connection.addEventListener('icecandidate', ({ candidate }) => {
      post({ kind: 'candidate', connection, candidate: candidate === null ? null : toCandidate(candidate), state: this.state() })
    })
    this.#connection.addEventListener('datachannel', ({ channel }) => this.#handOver(options.nextNumber(), channel, true))
  }

  state(): ConnectionState {
    const { connectionState, iceConnectionState, iceGatheringState, signalingState, localDescription, remoteDescription } = this.#connection
    return {
      connectionState,
      iceConnectionState,
      iceGatheringState,
      signalingState,
      localDescription: toDescription(localDescription),
      remoteDescription: toDescription(remoteDescription),
    }
  }

  /** @throws what the browser throws. */
  async call(what: Call): Promise<unknown> {
    switch (what.method) {
      case 'createOffer':
        return toDescription(await this.#connection.createOffer())
      case 'createAnswer':
        return toDescription(await this.#connection.createAnswer())
      case 'setLocalDescription':
        return this.#connection.setLocalDescription(what.argument)
      case 'setRemoteDescription':
        return what.argument === undefined ? undefined : this.#connection.setRemoteDescription(what.argument)
      case 'addIceCandidate':
        return this.#connection.addIceCandidate(what.argument)
      case 'getStats':
        return toEntries(await this.#connection.getStats())
    }
  }

  openChannel(number: number, label: string, options: ChannelOptions): void {
    if (this.#channels.size >= RTC_CHANNELS_PER_CONNECTION_MAX || this.#channels.has(number)) throw new Error('Too many channels')
    this.#handOver(number, this.#connection.createDataChannel(label, options), false)
  }

  hasChannel(number: number): boolean {
    return this.#channels.has(number)
  }

  send(number: number, data: ArrayBuffer | string): void {
    this.#channels.get(number)?.send(data)
  }

  closeChannel(number: number): void {
    this.#channels.get(number)?.close()
    this.#channels.delete(number)
  }

  close(): void {
    this.#connection.close()
    this.#channels.clear()
  }

  async summary(): Promise<RtcConnectionSummary> {
    const stats = new Map(toEntries(await this.#connection.getStats()))
    const transport = [...stats.values()].find(({ type }) => type === 'transport')
    const pair = typeof transport?.['selectedCandidatePairId'] === 'string' ? stats.get(transport['selectedCandidatePairId']) : undefined
    const candidateType = (id: unknown): { type: string } | undefined => {
      const type = typeof id === 'string' ? stats.get(id)?.['candidateType'] : undefined
      return typeof type === 'string' ? { type } : undefined
    }
    const local = candidateType(pair?.['localCandidateId'])
    const remote = candidateType(pair?.['remoteCandidateId'])
    const roundTrip = pair?.['currentRoundTripTime']
    return {
      connectionState: this.#connection.connectionState,
      bytesSent: toNumber(transport?.['bytesSent']),
      bytesReceived: toNumber(transport?.['bytesReceived']),
      ...(local === undefined ? {} : { localCandidateType: local.type }),
      ...(remote === undefined ? {} : { remoteCandidateType: remote.type }),
      ...(typeof roundTrip === 'number' ? { roundTripMs: roundTrip * 1000 } : {}),
      channelsTransferred: this.#options.transfer.works,
    }
  }

  /** A channel can be transferred only now, before anything was sent on it. */
  #handOver(number: number, channel: RTCDataChannel, incoming: boolean): void {
    if (this.#channels.size >= RTC_CHANNELS_PER_CONNECTION_MAX) {
      channel.close()
      return
    }
    const { post, transfer, number: connection } = this.#options
    const message = { kind: 'channel', connection, channel: number, incoming, properties: propertiesOf(channel) } as const
    if (transfer.works) {
      try {
        post({ ...message, transferred: channel }, [channel])
        this.#channels.set(number, undefined)
        return
      } catch {
        transfer.works = false
      }
    }
    post(message)
    this.#channels.set(number, new PumpedChannel(number, channel, post))
  }
}

function toDescription(description: RTCSessionDescriptionInit | null): Description | null {
  return description === null ? null : { type: description.type, sdp: description.sdp ?? '' }
}

function toCandidate(candidate: RTCIceCandidate): Candidate {
  const { candidate: text, sdpMid, sdpMLineIndex, usernameFragment } = candidate
  return { candidate: text, sdpMid, sdpMLineIndex, usernameFragment }
}

type Stats = Readonly<Record<string, unknown>>

function toEntries(report: RTCStatsReport): [string, Stats][] {
  const entries: [string, Stats][] = []
  report.forEach((stats: Stats, id) => entries.push([id, { ...stats }]))
  return entries
}

function toNumber(value: unknown): number {
  return typeof value === 'number' ? value : 0
}
