/** An answer in the Matrix error shape; thrown only at the edges (client-api, federation/serve, relay). Spec: Client-Server API, Standard error response. */
export class MatrixError extends Error {
  override readonly name = 'MatrixError'
  readonly errcode: string
  readonly status: number
  /** Further top-level members of the error body, such as `retry_after_ms` or `room_version`. */
  readonly members: Readonly<Record<string, unknown>>

  constructor(status: number, errcode: string, message: string, members: Readonly<Record<string, unknown>> = {}) {
    super(message)
    this.status = status
    this.errcode = errcode
    this.members = members
  }

  toResponse(): Response {
    const retryAfterMs = this.status === 429 ? this.members['retry_after_ms'] : undefined
    const headers = typeof retryAfterMs === 'number' ? { 'retry-after': String(Math.ceil(retryAfterMs / 1000)) } : {}
    return Response.json({ ...this.members, errcode: this.errcode, error: this.message }, { status: this.status, headers })
  }
}
