import { RTCPeerConnection } from 'node-datachannel/polyfill'
import { ChannelIds, channelIdParity } from './channel-ids.ts'

interface Channel {
  addEventListener(type: 'close', listener: () => void): void
}

interface Connection {
  readonly connectionState: string
  readonly localDescription: { readonly sdp: string } | null
  readonly remoteDescription: { readonly sdp: string } | null
  readonly ext_maxDataChannelId: number
}

type CreateChannel = (this: Connection, label: string, init?: { readonly id?: number }) => Channel

let rotating = false

/**
 * From now on the data channels that this process opens take ids that were not used for as long as possible.
 *
 * By itself libdatachannel 0.24 takes the lowest id that is free, and frees an id when the peer has reset its half of the old channel, while
 * the reset of this side's half may still be under way. When a packet was lost, that reset takes effect later, and the peer closes the new
 * channel that has got the id meanwhile; this side never learns of it and waits for the channel to answer. Short-lived streams, one after
 * the other, meet this whenever packets are lost. RFC 8831, section 6.7, lets an id be used again only after both resets are done.
 */
export function rotateChannelIds(): void {
  if (rotating) return
  rotating = true
  const prototype: { createDataChannel: CreateChannel } = RTCPeerConnection.prototype
  const create = prototype.createDataChannel
  const idsOf = new WeakMap<Connection, ChannelIds>()
  prototype.createDataChannel = function (label, init) {
    // Both sides agree on the id of the channel for the handshake.
    const ids = init?.id === undefined ? (idsOf.get(this) ?? idsFor(this)) : undefined
    const id = ids?.take()
    if (ids === undefined || id === undefined) return create.call(this, label, init)
    idsOf.set(this, ids)
    const channel = create.call(this, label, { ...init, id })
    channel.addEventListener('close', () => ids.release(id))
    return channel
  }
}

/** Undefined while the connection is not up. */
function idsFor(connection: Connection): ChannelIds | undefined {
  if (connection.connectionState !== 'connected') return undefined
  const parity = channelIdParity(connection)
  return parity === undefined ? undefined : new ChannelIds(parity, connection.ext_maxDataChannelId)
}
