import { HEAD_BYTES_MAX, HEADERS_MAX, PATH_LENGTH_MAX } from '../limits.ts'
import { FrameError } from './frame.ts'

export interface RequestHead {
  readonly method: string
  /** Path and query. The host is the answerer. */
  readonly path: string
  readonly headers: readonly HeaderPair[]
  /** The body comes on a stream of its own. */
  readonly streamed: boolean
}

export interface ResponseHead {
  readonly status: number
  readonly headers: readonly HeaderPair[]
  readonly streamed: boolean
}

type HeaderPair = readonly [name: string, value: string]

const encoder = new TextEncoder()
const decoder = new TextDecoder('utf-8', { fatal: true })
const METHOD = /^[A-Z]{1,16}$/

/** @throws FrameError when the head is longer than a peer would accept. */
export function encodeRequestHead(request: Request, streamed: boolean): Uint8Array<ArrayBuffer> {
  const url = new URL(request.url)
  return encodeHead({
    method: request.method,
    path: url.pathname + url.search,
    headers: [...request.headers],
    ...(streamed ? { streamed } : {}),
  })
}

/** @throws FrameError when the head is longer than a peer would accept. */
export function encodeResponseHead(response: Response, streamed: boolean): Uint8Array<ArrayBuffer> {
  return encodeHead({ status: response.status, headers: [...response.headers], ...(streamed ? { streamed } : {}) })
}

function encodeHead(head: object): Uint8Array<ArrayBuffer> {
  const bytes = encoder.encode(JSON.stringify(head))
  if (bytes.byteLength > HEAD_BYTES_MAX) throw new FrameError('The head is too long')
  return bytes
}

/** @throws FrameError */
export function parseRequestHead(bytes: Uint8Array): RequestHead {
  const { method, path, headers, streamed } = parseHead(bytes)
  if (typeof method !== 'string' || !METHOD.test(method)) throw new FrameError('A request has no valid method')
  if (typeof path !== 'string' || !path.startsWith('/') || path.length > PATH_LENGTH_MAX)
    throw new FrameError('A request has no valid path')
  return { method, path, headers: parseHeaders(headers), streamed: streamed === true }
}

/** @throws FrameError */
export function parseResponseHead(bytes: Uint8Array): ResponseHead {
  const { status, headers, streamed } = parseHead(bytes)
  if (typeof status !== 'number' || !Number.isInteger(status) || status < 200 || status > 599)
    throw new FrameError('A response has no valid status')
  return { status, headers: parseHeaders(headers), streamed: streamed === true }
}

function parseHead(bytes: Uint8Array): Record<string, unknown> {
  let head: unknown
  try {
    head = JSON.parse(decoder.decode(bytes))
  } catch (cause) {
    throw new FrameError('A head is not JSON', { cause })
  }
  if (typeof head !== 'object' || head === null || Array.isArray(head)) throw new FrameError('A head is not an object')
  return { ...head }
}

function parseHeaders(headers: unknown): readonly HeaderPair[] {
  if (!Array.isArray(headers) || headers.length > HEADERS_MAX) throw new FrameError('A head has no valid headers')
  return headers.map((pair: unknown) => {
    if (!Array.isArray(pair) || pair.length !== 2) throw new FrameError('A header is not a pair')
    const [name, value] = pair as readonly unknown[]
    if (typeof name !== 'string' || typeof value !== 'string') throw new FrameError('A header is not a pair of strings')
    return [name, value] as const
  })
}
