export type { AppServiceRegistration } from './app-services/registration.ts'
export { createHomeserver, type Homeserver, type HomeserverConfig } from './homeserver.ts'
export { createRelay, type Relay, type RelayConfig } from './relay-node.ts'
