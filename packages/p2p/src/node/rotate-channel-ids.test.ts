import { RTCPeerConnection } from 'node-datachannel/polyfill'
import { expect, test } from 'vitest'
import { rotateChannelIds } from './rotate-channel-ids.ts'

type Connection = InstanceType<typeof RTCPeerConnection>
type Channel = ReturnType<Connection['createDataChannel']>

const CHANNELS = 20

/** As libdatachannel chooses ids by itself. */
const { value: unchanged }: { value?: (this: Connection, label: string) => Channel } =
  Object.getOwnPropertyDescriptor(RTCPeerConnection.prototype, 'createDataChannel') ?? {}

function createUnchanged(connection: Connection): Channel {
  const channel = unchanged?.call(connection, '')
  if (channel === undefined) throw new Error('the library has changed')
  return channel
}

async function connect(): Promise<{ readonly a: Connection; readonly b: Connection } & Disposable> {
  const a = new RTCPeerConnection()
  const b = new RTCPeerConnection()
  const described = Promise.withResolvers<void>()
  for (const [from, to] of [
    [a, b],
    [b, a],
  ] as const)
    from.addEventListener('icecandidate', (event) => {
      if (!('candidate' in event) || event.candidate === null) return
      const { candidate } = event
      void described.promise.then(async () => to.addIceCandidate(candidate))
    })
  for (const side of [a, b])
    side.addEventListener('datachannel', (event) => {
      if (!('channel' in event)) return
      const channel = event.channel as Channel
      channel.addEventListener('message', () => channel.send('pong'))
    })
  const opened = untilEvent(a.createDataChannel('init'), 'open')
  // The descriptions as they were made, not as they are when they are read: candidates that a description has got meanwhile, or that come
  // before it, are refused now and then.
  await b.setRemoteDescription(await a.createOffer())
  await a.setRemoteDescription(await b.createAnswer())
  described.resolve()
  await opened
  return {
    a,
    b,
    [Symbol.dispose]: () => {
      a.close()
      b.close()
    },
  }
}

async function untilEvent(target: EventTarget, type: string): Promise<void> {
  const happened = Promise.withResolvers<void>()
  target.addEventListener(type, () => happened.resolve(), { once: true })
  await happened.promise
}

/** Opens channels one after the other, each when the one before has answered and is closed. */
async function idsOfChannels(connection: Connection, create: (connection: Connection) => Channel): Promise<(number | null)[]> {
  const ids: (number | null)[] = []
  for (let count = 0; count < CHANNELS; count++) {
    const channel = create(connection)
    if (channel.readyState !== 'open') await untilEvent(channel, 'open')
    const answered = untilEvent(channel, 'message')
    channel.send('ping')
    await answered
    ids.push(channel.id)
    const closed = untilEvent(channel, 'close')
    channel.close()
    await closed
  }
  return ids
}

test('short channels, one after the other, have ids of their own, from both sides of a connection', async () => {
  rotateChannelIds()
  rotateChannelIds()
  using pair = await connect()
  const [ofA, ofB] = await Promise.all([pair.a, pair.b].map(async (side) => idsOfChannels(side, () => side.createDataChannel(''))))
  expect(new Set([...(ofA ?? []), ...(ofB ?? [])]).size).toBe(2 * CHANNELS)
})

test('the library alone gives them the same id again and again', async () => {
  using pair = await connect()
  const ids = await idsOfChannels(pair.a, (side) => createUnchanged(side))
  expect(new Set(ids).size).toBeLessThan(CHANNELS)
})
