import { RTCPeerConnection } from 'node-datachannel/polyfill'

interface Connection {
  dispatchEvent: (this: Connection, event: Event) => boolean
  createOffer: (this: Connection) => Promise<unknown>
  /** Takes whatever form the types of the platform give a description. */
  setRemoteDescription: (this: Connection, description: never) => Promise<void>
}

let holding = false

/**
 * From now on a connection that makes an offer tells its candidates only once it has the answer.
 *
 * libdatachannel 0.24 hands an answer to its ICE agent before it keeps the fingerprint that is in it. When the peer's checks have come
 * before the answer, the agent is connected at once, on a thread of its own, and on a busy machine the peer's certificate comes before
 * its fingerprint is known: it is refused, and the dial waits until its time is over. A peer that knows no candidate cannot check early.
 * See https://github.com/paullouisageneau/libdatachannel/pull/1612
 */
export function holdCandidates(): void {
  if (holding) return
  holding = true
  const prototype: Connection = RTCPeerConnection.prototype
  const { dispatchEvent, createOffer, setRemoteDescription } = prototype
  const heldOf = new WeakMap<Connection, Event[]>()
  prototype.createOffer = function () {
    heldOf.set(this, [])
    return createOffer.call(this)
  }
  prototype.dispatchEvent = function (event) {
    const held = event.type === 'icecandidate' ? heldOf.get(this) : undefined
    if (held === undefined) return dispatchEvent.call(this, event)
    held.push(event)
    return true
  }
  prototype.setRemoteDescription = async function (description) {
    await setRemoteDescription.call(this, description)
    const held = heldOf.get(this) ?? []
    heldOf.delete(this)
    for (const event of held) dispatchEvent.call(this, event)
  }
}
