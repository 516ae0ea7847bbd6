import type { RelayTransport } from './settings.ts'

const components: Readonly<Record<RelayTransport, RegExp>> = {
  websocket: /\/wss?\//,
  'webrtc-direct': /\/webrtc-direct\//,
}

/** Those of a relay's multiaddrs that a page can dial by one of the transports. */
export function offeredAddresses(addresses: readonly string[], transports: readonly RelayTransport[]): readonly string[] {
  return addresses.filter((address) => transports.some((transport) => components[transport].test(address)))
}
