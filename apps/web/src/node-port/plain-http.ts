import { nodePortLimits } from './limits.ts'
import type { PlainRequest, PlainResponse } from './messages.ts'

const statusesWithoutBody: ReadonlySet<number> = new Set([204, 205, 304])

/** @throws TypeError when the body is larger than a port carries. */
export async function toPlainRequest(request: Request): Promise<PlainRequest> {
  const body = request.method === 'GET' || request.method === 'HEAD' ? undefined : await request.arrayBuffer()
  if (body !== undefined && body.byteLength > nodePortLimits.bodyBytesMax) throw new TypeError('The request body is too large.')
  return { method: request.method, url: request.url, headers: [...request.headers], body: body?.byteLength === 0 ? undefined : body }
}

/** @throws TypeError for methods, URLs and header values that a Request refuses. */
export function fromPlainRequest(plain: PlainRequest, signal: AbortSignal): Request {
  return new Request(plain.url, {
    method: plain.method,
    headers: plain.headers.map(([name, value]) => [name, value] as [string, string]),
    body: plain.body ?? null,
    signal,
  })
}

export async function toPlainResponse(response: Response): Promise<PlainResponse> {
  const body = await response.arrayBuffer()
  if (body.byteLength > nodePortLimits.bodyBytesMax) return errorResponse(502, 'M_TOO_LARGE', 'The answer is too large.')
  return { status: response.status, headers: [...response.headers], body: body.byteLength === 0 ? undefined : body }
}

export function fromPlainResponse(plain: PlainResponse): Response {
  const body = statusesWithoutBody.has(plain.status) ? null : (plain.body ?? null)
  return new Response(body, { status: plain.status, headers: plain.headers.map(([name, value]) => [name, value] as [string, string]) })
}

/** A Matrix error, for what goes wrong on the way to the homeserver. */
export function errorResponse(status: number, errcode: string, error: string): PlainResponse {
  const bytes = new TextEncoder().encode(JSON.stringify({ errcode, error }))
  return { status, headers: [['content-type', 'application/json']], body: bytes.buffer }
}
