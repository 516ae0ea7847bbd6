import {
  CODE_CERTHASH,
  CODE_P2P,
  CODE_P2P_CIRCUIT,
  CODE_WEBRTC,
  CODE_WEBRTC_DIRECT,
  CODE_WS,
  CODE_WSS,
  multiaddr,
  type Multiaddr,
} from '@multiformats/multiaddr'
import { ADDRESS_LENGTH_MAX } from './limits.ts'

/** Undefined when the text is no multiaddr. */
export function parseAddress(text: string): Multiaddr | undefined {
  if (text.length > ADDRESS_LENGTH_MAX) return undefined
  try {
    return multiaddr(text)
  } catch {
    return undefined
  }
}

/** The peer at the end of the path: for a circuit address its destination, not the relay. */
export function peerIdIn(address: Multiaddr): string | undefined {
  const last = address.getComponents().at(-1)
  return last?.code === CODE_P2P ? last.value : undefined
}

export function isRelayed(address: Multiaddr): boolean {
  // A WebRTC connection that was arranged over a circuit keeps the circuit in its address, and does not use it.
  return address.getComponents().some(({ code }) => code === CODE_P2P_CIRCUIT) && !usesWebRtc(address)
}

function usesWebRtc(address: Multiaddr): boolean {
  return address.getComponents().some(({ code }) => code === CODE_WEBRTC)
}

/** The relay of a circuit address. */
export function relayIn(address: Multiaddr): { readonly peerId: string } | undefined {
  const components = address.getComponents()
  const at = components.findIndex(({ code }) => code === CODE_P2P_CIRCUIT)
  const relay = components[at - 1]
  if (at < 1 || relay?.code !== CODE_P2P || relay.value === undefined) return undefined
  return { peerId: relay.value }
}

/** Short name of the transport, as PeerConnection wants it. */
export function transportOf(address: Multiaddr): string {
  const codes = new Set(address.getComponents().map(({ code }) => code))
  if (codes.has(CODE_WEBRTC)) return 'webrtc'
  if (codes.has(CODE_P2P_CIRCUIT)) return 'circuit'
  if (codes.has(CODE_WEBRTC_DIRECT) || codes.has(CODE_CERTHASH)) return 'webrtc-direct'
  if (codes.has(CODE_WS) || codes.has(CODE_WSS)) return 'websocket'
  return 'tcp'
}

/** Ends the address with `/p2p/<peer>`. Undefined when it names another peer, or no way to it. */
export function addressOfPeer(address: Multiaddr, peerId: string): Multiaddr | undefined {
  const components = address.getComponents()
  const last = components.at(-1)
  if (last?.code === CODE_P2P) return last.value === peerId && components.length > 1 ? address : undefined
  if (components.length === 0) return undefined
  return address.encapsulate(`/p2p/${peerId}`)
}

/** Where to dial for a direct WebRTC connection that is arranged over this circuit. */
export function webRtcOver(circuit: Multiaddr): Multiaddr {
  return multiaddr(
    circuit
      .getComponents()
      .flatMap((component) => (component.code === CODE_P2P_CIRCUIT ? [component, { code: CODE_WEBRTC, name: 'webrtc' }] : [component])),
  )
}

/** The plain circuit of a `…/p2p-circuit/webrtc/…` address: the connection over which WebRTC is then arranged. */
export function circuitOf(address: Multiaddr): Multiaddr {
  return multiaddr(address.getComponents().filter(({ code }) => code !== CODE_WEBRTC))
}

export function circuitThrough(relay: Multiaddr, peerId: string): Multiaddr {
  return relay.encapsulate(`/p2p-circuit/p2p/${peerId}`)
}
