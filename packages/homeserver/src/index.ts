export { createRelay, type Relay, type RelayConfig } from './relay-node.ts'
