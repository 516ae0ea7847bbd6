import { expect, test } from 'vitest'
import { ProxyChannel } from './proxy-channel.ts'

/** A channel of the browser as far as the proxy uses it. */
class RealChannel extends EventTarget {
  readyState = 'connecting'
  binaryType = 'blob'
  bufferedAmountLowThreshold = 0

  become(state: 'open' | 'closing' | 'closed'): void {
    this.readyState = state
    this.dispatchEvent(new Event(state === 'closed' ? 'close' : state))
  }

  close(): void {
    this.become('closing')
  }
}

function openProxy(label: string, incoming: boolean) {
  const told: string[] = []
  let ended = 0
  const properties = { label, id: null, protocol: '', ordered: true, negotiated: false, readyState: 'connecting' }
  const proxy = new ProxyChannel(1, properties, { post: () => {}, onClosed: () => (ended += 1) }, incoming)
  for (const type of ['open', 'close']) proxy.addEventListener(type, () => told.push(type))
  const real = new RealChannel()
  proxy.wrap(real as unknown as RTCDataChannel)
  return { proxy, real, told, ended: () => ended }
}

test('a handshake channel that the peer closed before anybody looked still opens here, and ends when it is closed here', async () => {
  const { proxy, real, told, ended } = openProxy('init', false)
  real.readyState = 'closed'
  real.dispatchEvent(new Event('close'))
  expect([proxy.readyState, told]).toEqual(['open', ['open']])
  proxy.close()
  const closed = new Promise((resolve) => proxy.addEventListener('close', resolve))
  await closed
  expect([proxy.readyState, told, ended()]).toEqual(['closed', ['open', 'close'], 1])
})

test('a handshake channel tells of opening once', async () => {
  const { proxy, real, told } = openProxy('init', false)
  real.become('open')
  real.become('closed')
  proxy.close()
  await Promise.resolve()
  expect(told).toEqual(['open', 'close'])
})

test.each([
  ['data', false],
  ['init', true],
])('the end of any other channel is told at once (%s, incoming: %s)', (label, incoming) => {
  const { proxy, real, told } = openProxy(label, incoming)
  real.become('open')
  real.become('closed')
  expect([proxy.readyState, told]).toEqual(['closed', ['open', 'close']])
})

test('a handshake channel ends with its connection', () => {
  const { proxy, real, told } = openProxy('init', false)
  real.become('closed')
  proxy.endWithConnection()
  expect([proxy.readyState, told]).toEqual(['closed', ['open', 'close']])
})

test('a channel that was closed on its way to the worker ends here', () => {
  const properties = { label: 'data', id: null, protocol: '', ordered: true, negotiated: false, readyState: 'connecting' }
  const proxy = new ProxyChannel(1, properties, { post: () => {}, onClosed: () => {} }, false)
  const real = new RealChannel()
  real.readyState = 'closed'
  proxy.wrap(real as unknown as RTCDataChannel)
  expect(proxy.readyState).toBe('closed')
})
