export { createHomeserver, type Homeserver, type HomeserverConfig } from './homeserver.ts'
export { createRelay, type Relay, type RelayConfig } from './relay-node.ts'
