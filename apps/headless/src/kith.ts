#!/usr/bin/env node
import { once } from 'node:events'
import { DEFAULT_ROOM_VERSION, supportedRoomVersions } from '@kith/matrix-protocol'
import type { AppServiceRegistration } from '@kith/homeserver'
import { Command, InvalidArgumentError, Option } from 'commander'
import { announceAddresses } from './announce-addresses.ts'
import { collectGarbage } from './collect-garbage.ts'
import { createStderrLog } from './node-ports.ts'

const logLevel = new Option('--log-level <level>', 'what to write to standard error')
  .choices(['debug', 'info', 'warn', 'error', 'silent'])
  .default('info')

interface RelayFlags {
  readonly data: string
  readonly port: number
  readonly host: string
  readonly logLevel: string
}

interface ServeFlags extends Omit<RelayFlags, 'port'> {
  readonly clientPort: number
  readonly relay: readonly string[]
  readonly openRegistration: boolean
  readonly registrationToken: readonly string[]
  readonly defaultRoomVersion: string
  readonly urlPreviews: boolean
  readonly allowInsecurePush: boolean
  readonly appService: readonly string[]
}

const program = new Command('kith').description('Matrix without a company: every device its own homeserver')

program
  .command('relay')
  .description('hold sealed mail and carry connections for others')
  .requiredOption('--data <dir>', 'where identity and mail are kept')
  .option('--port <number>', 'for WebSockets (TCP) and WebRTC-direct (UDP)', parsePort, 4181)
  .option('--host <address>', 'the address to listen on', '0.0.0.0')
  .addOption(logLevel)
  .action(async (flags: RelayFlags) => {
    const { startRelay } = await import('./start-relay.ts')
    await runUntilTerminated(async (signal) => {
      const relay = await startRelay(
        { dataDirectory: flags.data, host: flags.host, port: flags.port, log: createStderrLog(flags.logLevel) },
        signal,
      )
      void announceAddresses(relay.network, print, signal)
      return relay
    })
  })

program
  .command('serve')
  .description('a homeserver with its Client-Server API on loopback HTTP')
  .requiredOption('--data <dir>', 'where identity and rooms are kept')
  .option('--client-port <number>', 'the loopback port for Matrix clients', parsePort, 8008)
  .option('--host <address>', 'the address on which other servers may dial this one', '0.0.0.0')
  .option('--relay <address>', 'a relay, as a multiaddr with its peer id; may be repeated', appendValue, [])
  .option('--open-registration', 'let anyone who reaches the client port register, not only the owner', false)
  .addOption(
    new Option('--registration-token <token>', 'let who has this token register; may be repeated, and is safer in the environment')
      .env('KITH_REGISTRATION_TOKEN')
      .argParser(appendValue)
      .default([]),
  )
  .option('--url-previews', 'show what linked pages say of themselves; their servers are asked by this node', false)
  .option('--allow-insecure-push', 'let push gateways be without TLS and in this network', false)
  .option('--app-service <file...>', 'the registration of a bridge or bot, as YAML; may be repeated', appendValue, [])
  .addOption(
    new Option('--default-room-version <version>', 'for rooms whose creator names none')
      .choices(supportedRoomVersions.map(({ id }) => id))
      .default(DEFAULT_ROOM_VERSION),
  )
  .addOption(logLevel)
  .action(async (flags: ServeFlags) => {
    const { startServe } = await import('./start-serve.ts')
    await runUntilTerminated(async (signal) => {
      const appServices = await appServicesOf(flags.appService)
      const server = await startServe(
        {
          dataDirectory: flags.data,
          clientPort: flags.clientPort,
          host: flags.host,
          relays: flags.relay,
          openRegistration: flags.openRegistration,
          registrationTokens: flags.registrationToken,
          defaultRoomVersion: flags.defaultRoomVersion,
          urlPreviews: flags.urlPreviews,
          allowInsecurePush: flags.allowInsecurePush,
          appServices,
          log: createStderrLog(flags.logLevel),
        },
        signal,
      )
      print(`client API at http://127.0.0.1:${server.clientPort}`)
      void announceAddresses(server.network, print, signal)
      return server
    })
  })

await program.parseAsync()

/** Starts a node, waits for SIGTERM or SIGINT, and stops it cleanly. A failing start is told in one line. */
async function runUntilTerminated(start: (signal: AbortSignal) => Promise<AsyncDisposable>): Promise<void> {
  const stopping = new AbortController()
  const terminated = Promise.race([once(process, 'SIGTERM'), once(process, 'SIGINT')]).then(() => stopping.abort())
  try {
    await using _running = await start(stopping.signal)
    collectGarbage()
    await terminated
  } catch (error) {
    if (stopping.signal.aborted) process.exit()
    process.stderr.write(`kith: ${error instanceof Error ? error.message : String(error)}\n`)
    process.exitCode = 1
  }
  // Everything is stored and closed. What may still hold the process are sockets of native code, which linger for some seconds.
  process.exit()
}

/** What reads them is loaded only where there are some. */
async function appServicesOf(files: readonly string[]): Promise<readonly AppServiceRegistration[]> {
  if (files.length === 0) return []
  const { readAppServiceFiles } = await import('./app-service-file.ts')
  return readAppServiceFiles(files)
}

function print(line: string): void {
  process.stdout.write(`${line}\n`)
}

function parsePort(text: string): number {
  const port = Number(text)
  if (!Number.isInteger(port) || port < 0 || port > 65_535) throw new InvalidArgumentError('A port is a number from 0 to 65535.')
  return port
}

function appendValue(value: string, values: readonly string[]): readonly string[] {
  return [...values, value]
}
