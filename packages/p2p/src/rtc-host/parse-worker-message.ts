import { RTC_MESSAGE_BYTES_MAX, RTC_SDP_LENGTH_MAX } from '../limits.ts'
import type { Call, Candidate, ChannelOptions, Description, IceServer, WorkerMessage } from '../rtc/rtc-messages.ts'

const ICE_SERVERS_MAX = 8
const CERTIFICATES_MAX = 4
const TEXT_LENGTH_MAX = 4096

type Fields = Readonly<Record<string, unknown>>

/** Undefined for anything that is not a message of the protocol: a worker that was taken over must not harm its window. */
export function parseWorkerMessage(data: unknown): WorkerMessage | undefined {
  if (!isFields(data)) return undefined
  switch (data['kind']) {
    case 'open':
      return parseOpen(data)
    case 'call':
      return parseCall(data)
    case 'close':
      return isNumber(data['connection']) ? { kind: 'close', connection: data['connection'] } : undefined
    case 'open-channel':
      return parseOpenChannel(data)
    case 'generate-certificate':
      return isNumber(data['call']) ? { kind: 'generate-certificate', call: data['call'] } : undefined
    case 'send':
      return isNumber(data['channel']) && isPayload(data['data'])
        ? { kind: 'send', channel: data['channel'], data: data['data'] }
        : undefined
    case 'close-channel':
      return isNumber(data['channel']) ? { kind: 'close-channel', channel: data['channel'] } : undefined
    case 'dispose':
      return { kind: 'dispose' }
    default:
      return undefined
  }
}

function parseOpen({ connection, iceServers, certificates }: Fields): WorkerMessage | undefined {
  if (!isNumber(connection) || !Array.isArray(iceServers) || !Array.isArray(certificates)) return undefined
  if (iceServers.length > ICE_SERVERS_MAX || certificates.length > CERTIFICATES_MAX) return undefined
  if (!certificates.every(isNumber) || !iceServers.every(isIceServer)) return undefined
  return { kind: 'open', connection, iceServers, certificates }
}

function parseCall({ connection, call, what }: Fields): WorkerMessage | undefined {
  if (!isNumber(connection) || !isNumber(call) || !isFields(what)) return undefined
  const parsed = parseWhat(what)
  return parsed === undefined ? undefined : { kind: 'call', connection, call, what: parsed }
}

function parseWhat({ method, argument }: Fields): Call | undefined {
  switch (method) {
    case 'createOffer':
    case 'createAnswer':
    case 'getStats':
      return { method }
    case 'setLocalDescription':
      return argument === undefined || isDescription(argument) ? { method, argument } : undefined
    case 'setRemoteDescription':
      return isDescription(argument) ? { method, argument } : undefined
    case 'addIceCandidate':
      return isCandidate(argument) ? { method, argument } : undefined
    default:
      return undefined
  }
}

function parseOpenChannel({ connection, channel, label, options }: Fields): WorkerMessage | undefined {
  if (!isNumber(connection) || !isNumber(channel) || !isText(label) || !isChannelOptions(options)) return undefined
  return { kind: 'open-channel', connection, channel, label, options }
}

function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null
}

function isNumber(value: unknown): value is number {
  return Number.isSafeInteger(value)
}

function isText(value: unknown): value is string {
  return typeof value === 'string' && value.length <= TEXT_LENGTH_MAX
}

function isOptional(value: unknown, is: (value: unknown) => boolean): boolean {
  return value === undefined || value === null || is(value)
}

function isPayload(value: unknown): value is ArrayBuffer | string {
  if (value instanceof ArrayBuffer) return value.byteLength <= RTC_MESSAGE_BYTES_MAX
  return typeof value === 'string' && value.length <= RTC_MESSAGE_BYTES_MAX
}

function isIceServer(value: unknown): value is IceServer {
  if (!isFields(value)) return false
  const urls: unknown = value['urls']
  const urlsAreTexts = isText(urls) || (Array.isArray(urls) && urls.length <= ICE_SERVERS_MAX && urls.every(isText))
  return urlsAreTexts && isOptional(value['username'], isText) && isOptional(value['credential'], isText)
}

function isDescription(value: unknown): value is Description {
  if (!isFields(value)) return false
  const { type, sdp } = value
  return (
    (type === 'offer' || type === 'answer' || type === 'pranswer' || type === 'rollback') &&
    typeof sdp === 'string' &&
    sdp.length <= RTC_SDP_LENGTH_MAX
  )
}

function isCandidate(value: unknown): value is Candidate {
  if (!isFields(value)) return false
  const { candidate, sdpMid, sdpMLineIndex, usernameFragment } = value
  return (
    isOptional(candidate, isText) &&
    isOptional(sdpMid, isText) &&
    isOptional(sdpMLineIndex, isNumber) &&
    isOptional(usernameFragment, isText)
  )
}

function isBoolean(value: unknown): boolean {
  return typeof value === 'boolean'
}

function isChannelOptions(value: unknown): value is ChannelOptions {
  if (!isFields(value)) return false
  const { ordered, negotiated, id, protocol } = value
  return isOptional(ordered, isBoolean) && isOptional(negotiated, isBoolean) && isOptional(id, isNumber) && isOptional(protocol, isText)
}
