import { type ServerName, serverNameFromPublicKey } from '@kith/matrix-protocol'
import { PeerClient } from './federation/peer-client.ts'
import { createRouter } from './federation/serve/router.ts'
import { versionEndpoint } from './federation/serve/server-facts.ts'
import type { Ports } from './ports/index.ts'
import { MailCaller } from './relay/mail-caller.ts'
import { mailboxEndpoints } from './relay/mailbox-endpoints.ts'
import { type MailboxQuotas, Mailboxes } from './relay/mailboxes.ts'

export interface RelayConfig extends MailboxQuotas {
  readonly softwareVersion: string
  /** The volunteer's consent: who may have a mailbox here. */
  readonly mayReserve: (server: ServerName) => boolean | Promise<boolean>
}

export interface Relay extends AsyncDisposable {
  readonly serverName: ServerName
}

const MEGABYTE = 1024 * 1024
const DAY_MS = 24 * 3_600_000

const DEFAULTS: RelayConfig = {
  softwareVersion: '0.1.0',
  mayReserve: () => true,
  mailboxesMax: 1_000,
  bytesPerMailboxMax: 64 * MEGABYTE,
  entriesPerMailboxMax: 5_000,
  bytesPerSenderMax: 32 * MEGABYTE,
  entriesPerSenderMax: 2_500,
  custodyMs: 30 * DAY_MS,
  reservationMs: 30 * DAY_MS,
}

/**
 * A relay node: mailboxes for other servers, nothing else; every other path is 404 M_UNRECOGNIZED.
 * Installs its handler at the network; the caller starts the network afterwards.
 */
export async function createRelay(ports: Ports, config: Partial<RelayConfig>): Promise<Relay> {
  const settings = { ...DEFAULTS, ...config }
  const lifetime = new AbortController()
  const mailboxes = await Mailboxes.open(ports.storage, ports.clock, settings)
  const client = new PeerClient(ports)
  const caller = new MailCaller({ mailboxes, network: ports.network, client, clock: ports.clock, log: ports.log, signal: lifetime.signal })
  const endpoints = [
    versionEndpoint(settings, 'Kith relay'),
    ...mailboxEndpoints({ mailboxes, mayReserve: settings.mayReserve, onMail: (recipient) => caller.call(recipient) }),
  ]
  ports.network.serve(createRouter(endpoints, ports.log, lifetime.signal))
  return {
    serverName: serverNameFromPublicKey(ports.crypto.publicKey),
    async [Symbol.asyncDispose]() {
      lifetime.abort(new DOMException('The relay is closing', 'AbortError'))
    },
  }
}
