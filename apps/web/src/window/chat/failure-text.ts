import { NodeRefusal } from './node-api.ts'

interface Refusal {
  readonly status: number
  readonly errcode: string
  readonly message: string
}

const noAnswer = 'Your own server does not answer. Try again in a moment.'

/** A sentence for people about a request that failed. `peerName`: whose node the request needed, if any. */
export function describeFailure(error: unknown, peerName?: string): string {
  const refusal = refusalOf(error)
  if (refusal === undefined) return isNetworkFailure(error) ? noAnswer : 'Something went wrong on this device. Try again.'
  if (isPeerUnreachable(error)) return unreachable(peerName)
  switch (refusal.errcode) {
    case 'M_LIMIT_EXCEEDED':
      return 'Too many requests at once. Try again in a moment.'
    case 'M_FORBIDDEN':
      return refusal.message === '' ? 'You are not allowed to do this.' : refusal.message
    case 'M_UNKNOWN_TOKEN':
      return 'Your server does not know this session any more. Was its data deleted while the chat’s data was kept?'
    case 'M_UNKNOWN':
    case 'M_UNRECOGNIZED':
      return refusal.message === '' ? 'Something went wrong. Try again.' : refusal.message
    default:
      return refusal.message
  }
}

/** What a Matrix error says, whether it came through the SDK or not; undefined for failures of the network. */
export function refusalOf(error: unknown): Refusal | undefined {
  if (error instanceof NodeRefusal) return { status: error.status, errcode: error.errcode, message: error.message }
  if (!(error instanceof Error) || !('errcode' in error) || !('httpStatus' in error)) return undefined
  const { errcode, httpStatus } = error
  if (typeof httpStatus !== 'number') return undefined
  const data: unknown = 'data' in error ? error.data : undefined
  const sentence = typeof data === 'object' && data !== null && 'error' in data ? data.error : undefined
  return {
    status: httpStatus,
    errcode: typeof errcode === 'string' ? errcode : 'M_UNKNOWN',
    message: typeof sentence === 'string' ? sentence : '',
  }
}

/** The node answered, but could not reach the other server that the request needs. */
export function isPeerUnreachable(error: unknown): boolean {
  const status = refusalOf(error)?.status
  return status !== undefined && status >= 502 && status <= 504
}

/** The node was not reached, or did not answer in time. */
export function isNetworkFailure(error: unknown): boolean {
  return error instanceof Error && ['ConnectionError', 'TypeError', 'AbortError', 'TimeoutError'].includes(error.name)
}

function unreachable(peerName: string | undefined): string {
  const whom = peerName === undefined ? 'Nobody in this chat' : peerName
  return `${whom} cannot be reached at the moment. Try again when they are online.`
}
