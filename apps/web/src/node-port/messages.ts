import { nodePortLimits } from './limits.ts'

/** What the node is doing on its way up, in this order. */
export type NodeStartStep = 'loading' | 'opening-identity' | 'opening-storage' | 'starting-network' | 'starting-homeserver'

/** Where the node stands; told on every port when it is attached and after each change. */
export type NodeState =
  | { readonly kind: 'starting'; readonly step: NodeStartStep }
  | { readonly kind: 'ready'; readonly serverName: string }
  /** Both are sentences for people. */
  | { readonly kind: 'failed'; readonly message: string; readonly whatToDo: string }

export type HeaderPairs = readonly (readonly [string, string])[]

/** A request as data. Of the URL only path and query have meaning. */
export interface PlainRequest {
  readonly method: string
  readonly url: string
  readonly headers: HeaderPairs
  readonly body: ArrayBuffer | undefined
}

export interface PlainResponse {
  readonly status: number
  readonly headers: HeaderPairs
  readonly body: ArrayBuffer | undefined
}

export type MessageToNode =
  | { readonly kind: 'request'; readonly id: number; readonly request: PlainRequest }
  | { readonly kind: 'cancel'; readonly id: number }
  | { readonly kind: 'ping' }
  | { readonly kind: 'close' }

export type MessageFromNode =
  | { readonly kind: 'state'; readonly state: NodeState }
  | { readonly kind: 'response'; readonly id: number; readonly response: PlainResponse }
  | { readonly kind: 'pong' }
  /** The node stops, or takes no more ports: find another connection. */
  | { readonly kind: 'close' }

/** Undefined for anything that is not such a message: whatever else runs on the origin may write to a port. */
export function parseMessageToNode(data: unknown): MessageToNode | undefined {
  if (!isRecord(data)) return undefined
  switch (data.kind) {
    case 'request': {
      const request = parsePlainRequest(data.request)
      return isId(data.id) && request !== undefined ? { kind: 'request', id: data.id, request } : undefined
    }
    case 'cancel':
      return isId(data.id) ? { kind: 'cancel', id: data.id } : undefined
    case 'ping':
    case 'close':
      return { kind: data.kind }
    default:
      return undefined
  }
}

export function parseMessageFromNode(data: unknown): MessageFromNode | undefined {
  if (!isRecord(data)) return undefined
  switch (data.kind) {
    case 'state': {
      const state = parseNodeState(data.state)
      return state === undefined ? undefined : { kind: 'state', state }
    }
    case 'response': {
      const response = parsePlainResponse(data.response)
      return isId(data.id) && response !== undefined ? { kind: 'response', id: data.id, response } : undefined
    }
    case 'pong':
    case 'close':
      return { kind: data.kind }
    default:
      return undefined
  }
}

const startSteps: ReadonlySet<unknown> = new Set<NodeStartStep>([
  'loading',
  'opening-identity',
  'opening-storage',
  'starting-network',
  'starting-homeserver',
])

function parseNodeState(value: unknown): NodeState | undefined {
  if (!isRecord(value)) return undefined
  switch (value.kind) {
    case 'starting':
      return startSteps.has(value.step) ? { kind: 'starting', step: value.step as NodeStartStep } : undefined
    case 'ready':
      return typeof value.serverName === 'string' ? { kind: 'ready', serverName: value.serverName } : undefined
    case 'failed':
      return typeof value.message === 'string' && typeof value.whatToDo === 'string'
        ? { kind: 'failed', message: value.message, whatToDo: value.whatToDo }
        : undefined
    default:
      return undefined
  }
}

function parsePlainRequest(value: unknown): PlainRequest | undefined {
  if (!isRecord(value)) return undefined
  const { method, url, headers, body } = value
  if (typeof method !== 'string' || typeof url !== 'string' || url.length > nodePortLimits.urlLengthMax) return undefined
  if (!isHeaderPairs(headers) || !isBody(body)) return undefined
  return { method, url, headers, body }
}

function parsePlainResponse(value: unknown): PlainResponse | undefined {
  if (!isRecord(value)) return undefined
  const { status, headers, body } = value
  if (typeof status !== 'number' || !Number.isInteger(status) || status < 200 || status > 599) return undefined
  if (!isHeaderPairs(headers) || !isBody(body)) return undefined
  return { status, headers, body }
}

function isHeaderPairs(value: unknown): value is HeaderPairs {
  if (!Array.isArray(value)) return false
  let bytes = 0
  for (const pair of value as readonly unknown[]) {
    if (!Array.isArray(pair) || pair.length !== 2) return false
    const [name, content] = pair as readonly unknown[]
    if (typeof name !== 'string' || typeof content !== 'string') return false
    bytes += name.length + content.length
    if (bytes > nodePortLimits.headerBytesMax) return false
  }
  return true
}

function isBody(value: unknown): value is ArrayBuffer | undefined {
  return value === undefined || (value instanceof ArrayBuffer && value.byteLength <= nodePortLimits.bodyBytesMax)
}

function isId(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null
}
