import { createSocket, type Socket } from 'node:dgram'
import { once } from 'node:events'

/** Whether the next packet is lost. */
export type Loss = () => boolean

/** Loses this share of all packets, the same ones in each run as long as the same number comes. */
export function randomLoss(share: number, seed: number): Loss {
  let state = seed >>> 0
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return state / 2 ** 32 < share
  }
}

/** A UDP port on loopback that passes packets on to another and back, except those that are lost. */
export async function openLossyLink(targetPort: number, loss: Loss): Promise<{ readonly port: number } & Disposable> {
  const front = await bind()
  const backs = new Map<number, Promise<Socket>>()
  front.on('message', (packet, { port }) => {
    const back = backs.get(port) ?? openBack(front, port, loss)
    backs.set(port, back)
    if (!loss()) void back.then((socket) => socket.send(packet, targetPort, '127.0.0.1'))
  })
  return {
    port: front.address().port,
    [Symbol.dispose]: () => {
      front.close()
      for (const back of backs.values()) void back.then((socket) => socket.close())
    },
  }
}

async function openBack(front: Socket, port: number, loss: Loss): Promise<Socket> {
  const back = await bind()
  back.on('message', (packet) => {
    if (!loss()) front.send(packet, port, '127.0.0.1')
  })
  return back
}

async function bind(): Promise<Socket> {
  const socket = createSocket('udp4')
  socket.bind(0, '127.0.0.1')
  await once(socket, 'listening')
  return socket
}

/** The WebRTC-direct address among these, as seen through the link. */
export function addressThrough(link: { readonly port: number }, addresses: readonly string[]): string {
  const address = addresses.find((candidate) => candidate.includes('/webrtc-direct/'))
  if (address === undefined) throw new Error('no WebRTC-direct address')
  return address.replace(/\/udp\/\d+/, `/udp/${link.port}`)
}

export function webRtcPort(addresses: readonly string[]): number {
  const port = addresses.map((address) => /\/udp\/(\d+)\/webrtc-direct/.exec(address)?.[1]).find((found) => found !== undefined)
  if (port === undefined) throw new Error('no WebRTC-direct address')
  return Number(port)
}
