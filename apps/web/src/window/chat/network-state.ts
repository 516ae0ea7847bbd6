import { isJsonObject } from '@kith/matrix-protocol'
import type { JsonValue } from '@kith/matrix-protocol'

export interface RelayState {
  readonly server: string
  readonly addresses: readonly string[]
  readonly state: 'connected' | 'connecting' | 'unreachable'
  readonly mailbox: 'reserved' | 'none'
}

export interface PeerState {
  readonly server: string
  /** `direct`, or through a relay. */
  readonly path: string
  readonly transport: string
  readonly direction: string
  readonly roundTripMs: number | undefined
}

/** What the node says about its place in the network. */
export interface NetworkState {
  readonly serverName: string
  /** Grows with each change; long polls name it. */
  readonly version: number | undefined
  readonly addresses: readonly string[]
  readonly relays: readonly RelayState[]
  readonly peers: readonly PeerState[]
}

/** Throws when the answer has not the agreed shape; single odd entries are passed over. */
export function parseNetworkState(value: unknown): NetworkState {
  if (!isJsonObject(value)) throw new TypeError('network: unexpected answer')
  return {
    serverName: text(value['server_name']),
    version: typeof value['version'] === 'number' ? value['version'] : undefined,
    addresses: texts(value['addresses']),
    relays: list(value['relays']).flatMap(parseRelay),
    peers: list(value['peers']).flatMap(parsePeer),
  }
}

/** Blocks of four characters, as people read them to each other. */
export function fingerprintBlocks(fingerprint: string): string[] {
  const plain = fingerprint.replaceAll(/[^0-9A-Za-z]/g, '')
  return plain.match(/.{1,4}/g) ?? []
}

function parseRelay(value: JsonValue): RelayState[] {
  if (!isJsonObject(value)) return []
  const state = value['state']
  return [
    {
      server: text(value['server']),
      addresses: texts(value['addresses']),
      state: state === 'connected' || state === 'connecting' ? state : 'unreachable',
      mailbox: value['mailbox'] === 'reserved' ? 'reserved' : 'none',
    },
  ]
}

function parsePeer(value: JsonValue): PeerState[] {
  if (!isJsonObject(value)) return []
  const roundTripMs = value['round_trip_ms']
  return [
    {
      server: text(value['server']),
      path: text(value['path']),
      transport: text(value['transport']),
      direction: text(value['direction']),
      roundTripMs: typeof roundTripMs === 'number' ? roundTripMs : undefined,
    },
  ]
}

function list(value: JsonValue | undefined): readonly JsonValue[] {
  return isList(value) ? value : []
}

/** `Array.isArray` would make the elements `any`. */
function isList(value: JsonValue | undefined): value is readonly JsonValue[] {
  return Array.isArray(value)
}

function texts(value: JsonValue | undefined): string[] {
  return list(value).filter((item) => typeof item === 'string')
}

function text(value: JsonValue | undefined): string {
  return typeof value === 'string' ? value : ''
}
