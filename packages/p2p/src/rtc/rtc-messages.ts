/**
 * What a worker and its window say to each other over a MessagePort, so that the worker can use the window's RTCPeerConnections.
 * Connections, channels, certificates and calls are numbers; the worker numbers what it creates with even numbers (calls, connections,
 * channels) and the window what it creates (incoming channels, certificates) with odd ones.
 */
export interface IceServer {
  readonly urls: string | readonly string[]
  readonly username?: string
  readonly credential?: string
}

export interface Description {
  readonly type: 'answer' | 'offer' | 'pranswer' | 'rollback'
  readonly sdp: string
}

export interface Candidate {
  readonly candidate?: string
  readonly sdpMid?: string | null
  readonly sdpMLineIndex?: number | null
  readonly usernameFragment?: string | null
}

export interface ChannelOptions {
  readonly ordered?: boolean
  readonly negotiated?: boolean
  readonly id?: number
  readonly protocol?: string
}

export type Call =
  | { readonly method: 'createOffer' | 'createAnswer' | 'getStats' }
  | { readonly method: 'setLocalDescription' | 'setRemoteDescription'; readonly argument: Description | undefined }
  | { readonly method: 'addIceCandidate'; readonly argument: Candidate }

export type WorkerMessage =
  | {
      readonly kind: 'open'
      readonly connection: number
      readonly iceServers: readonly IceServer[]
      readonly certificates: readonly number[]
    }
  | { readonly kind: 'call'; readonly connection: number; readonly call: number; readonly what: Call }
  | { readonly kind: 'close'; readonly connection: number }
  | {
      readonly kind: 'open-channel'
      readonly connection: number
      readonly channel: number
      readonly label: string
      readonly options: ChannelOptions
    }
  | { readonly kind: 'generate-certificate'; readonly call: number }
  /** Pumped channels only. */
  | { readonly kind: 'send'; readonly channel: number; readonly data: ArrayBuffer | string }
  /** The worker closed a channel, or saw it closed: the window may forget it. */
  | { readonly kind: 'close-channel'; readonly channel: number }
  | { readonly kind: 'dispose' }

/** The parts of an RTCPeerConnection that are read synchronously. */
export interface ConnectionState {
  readonly connectionState: string
  readonly iceConnectionState: string
  readonly iceGatheringState: string
  readonly signalingState: string
  readonly localDescription: Description | null
  readonly remoteDescription: Description | null
}

export interface ChannelProperties {
  readonly label: string
  readonly id: number | null
  readonly protocol: string
  readonly ordered: boolean
  readonly negotiated: boolean
  readonly readyState: string
}

export type WindowMessage =
  | { readonly kind: 'result'; readonly call: number; readonly value: unknown; readonly state?: ConnectionState }
  | { readonly kind: 'failure'; readonly call: number; readonly name: string; readonly message: string }
  | { readonly kind: 'event'; readonly connection: number; readonly type: ConnectionEventType; readonly state: ConnectionState }
  | { readonly kind: 'candidate'; readonly connection: number; readonly candidate: Candidate | null; readonly state: ConnectionState }
  /** `transferred`: the real channel; absent when the browser cannot transfer it and it is pumped. */
  | {
      readonly kind: 'channel'
      readonly connection: number
      readonly channel: number
      readonly incoming: boolean
      readonly properties: ChannelProperties
      readonly transferred?: unknown
    }
  | {
      readonly kind: 'channel-state'
      readonly channel: number
      readonly type: 'open' | 'closing' | 'close' | 'error'
      readonly properties: ChannelProperties
    }
  | { readonly kind: 'message'; readonly channel: number; readonly data: ArrayBuffer | string }
  /** So many bytes of pumped messages have left the window's buffer. */
  | { readonly kind: 'sent'; readonly channel: number; readonly byteLength: number }

export const CONNECTION_EVENTS = [
  'connectionstatechange',
  'iceconnectionstatechange',
  'icegatheringstatechange',
  'signalingstatechange',
  'negotiationneeded',
] as const
export type ConnectionEventType = (typeof CONNECTION_EVENTS)[number]

export interface GeneratedCertificate {
  readonly handle: number
  readonly expires: number
}

/** What people and tests want to know of a connection. */
export interface RtcConnectionSummary {
  readonly connectionState: string
  readonly bytesSent: number
  readonly bytesReceived: number
  readonly localCandidateType?: string
  readonly remoteCandidateType?: string
  readonly roundTripMs?: number
  /** False as soon as one channel had to be pumped. */
  readonly channelsTransferred: boolean
}
