import fc from 'fast-check'
import { expect, test } from 'vitest'
import { RTC_MESSAGE_BYTES_MAX, RTC_SDP_LENGTH_MAX } from '../limits.ts'
import type { WorkerMessage } from '../rtc/rtc-messages.ts'
import { parseWorkerMessage } from './parse-worker-message.ts'

const messages: readonly WorkerMessage[] = [
  { kind: 'open', connection: 2, iceServers: [{ urls: ['stun:host'] }], certificates: [1] },
  { kind: 'call', connection: 2, call: 4, what: { method: 'createOffer' } },
  { kind: 'call', connection: 2, call: 4, what: { method: 'setRemoteDescription', argument: { type: 'answer', sdp: 'v=0' } } },
  {
    kind: 'call',
    connection: 2,
    call: 4,
    what: { method: 'addIceCandidate', argument: { candidate: 'c', sdpMid: null, sdpMLineIndex: 0 } },
  },
  { kind: 'open-channel', connection: 2, channel: 6, label: '', options: { negotiated: true, id: 0 } },
  { kind: 'generate-certificate', call: 8 },
  { kind: 'send', channel: 6, data: new ArrayBuffer(3) },
  { kind: 'close-channel', channel: 6 },
  { kind: 'close', connection: 2 },
  { kind: 'dispose' },
]

test.each(messages)('a message of kind $kind is understood', (message) => {
  expect(parseWorkerMessage(message)).toEqual(message)
})

test.each([
  { kind: 'open', connection: 2, iceServers: [{ urls: 5 }], certificates: [] },
  { kind: 'open', connection: 2, iceServers: Array.from({ length: 100 }, () => ({ urls: 'stun:host' })), certificates: [] },
  { kind: 'call', connection: 2, call: 4, what: { method: 'addTrack' } },
  {
    kind: 'call',
    connection: 2,
    call: 4,
    what: { method: 'setRemoteDescription', argument: { type: 'answer', sdp: 'x'.repeat(RTC_SDP_LENGTH_MAX + 1) } },
  },
  { kind: 'send', channel: 6, data: new ArrayBuffer(RTC_MESSAGE_BYTES_MAX + 1) },
  { kind: 'send', channel: 6, data: {} },
  { kind: 'open-channel', connection: 2, channel: 0.5, label: '', options: {} },
  { kind: 'reboot' },
])('a message that is not of the protocol is ignored', (message) => {
  expect(parseWorkerMessage(message)).toBeUndefined()
})

test('arbitrary values never throw', () => {
  fc.assert(fc.property(fc.anything(), (value) => void parseWorkerMessage(value)))
  const field = fc.oneof(fc.anything(), fc.integer(), fc.string())
  const kind = fc.constantFrom(...messages.map((message) => message.kind))
  const shaped = fc.record({
    kind,
    connection: field,
    call: field,
    channel: field,
    what: field,
    iceServers: field,
    certificates: field,
    options: field,
    data: field,
  })
  fc.assert(fc.property(shaped, (value) => void parseWorkerMessage(value)))
})
