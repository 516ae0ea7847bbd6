import { resolve } from 'node:path'

export interface StartSettings {
  readonly port: number
  readonly relayPort: number
  readonly dataDirectory: string
  /** Which of the relay's addresses the page is told. */
  readonly relayTransports: readonly RelayTransport[]
}

export const relayTransports = ['websocket', 'webrtc-direct'] as const
export type RelayTransport = (typeof relayTransports)[number]

/** What stops the start and is told in one line. */
export class StartError extends Error {
  override readonly name = 'StartError'
}

/** @throws StartError for values that are not what they should be. */
export function readSettings(environment: Readonly<Record<string, string | undefined>>, root: string): StartSettings {
  return {
    port: readPort('PORT', environment['PORT'], 4180),
    relayPort: readPort('RELAY_PORT', environment['RELAY_PORT'], 4181),
    dataDirectory: resolve(root, environment['KITH_DATA'] ?? '.kith', 'relay'),
    relayTransports: readTransports(environment['KITH_RELAY_TRANSPORTS']),
  }
}

function readPort(name: string, text: string | undefined, otherwise: number): number {
  if (text === undefined || text === '') return otherwise
  const port = Number(text)
  if (!Number.isInteger(port) || port < 0 || port > 65_535) throw new StartError(`${name} is a number from 0 to 65535, not "${text}".`)
  return port
}

function readTransports(text: string | undefined): readonly RelayTransport[] {
  if (text === undefined || text === '') return relayTransports
  return text.split(',').map((name) => {
    const transport = relayTransports.find((known) => known === name.trim())
    if (transport === undefined) throw new StartError(`KITH_RELAY_TRANSPORTS names ${relayTransports.join(' or ')}, not "${name}".`)
    return transport
  })
}
