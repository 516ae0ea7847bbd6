import { createSocket } from 'node:dgram'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { readJsonFile, writeJsonFile } from './json-file.ts'

const PATIENT_ATTEMPTS = 10
const PATIENCE_MS = 100
const FILE_NAME = 'listen-ports.json'

/** A port that the user asked for is in use or forbidden. The message is for people. */
export class PortUnavailableError extends Error {
  override readonly name = 'PortUnavailableError'
  readonly port: number
  constructor(protocol: 'TCP' | 'UDP', port: number, code: string) {
    super(`${protocol} port ${port} is not available: ${explain(code)}`)
    this.port = port
  }
}

export interface PortWishes {
  /** TCP. 0: chosen once, then remembered. */
  readonly webSocket?: number
  readonly tcp?: number
  /** UDP. */
  readonly webRtcDirect?: number
}

export type PortName = keyof PortWishes
export type Ports = Readonly<Partial<Record<PortName, number>>>

/**
 * The ports to listen on. One that is chosen freely is remembered in the data directory, so that addresses given out stay good; when
 * a remembered one is taken, another is chosen. WebRTC-direct takes the number of the WebSocket port when both are free choices.
 * @throws PortUnavailableError when a port that was asked for is taken. libp2p itself would not say so: its UDP listener fails silently.
 */
export async function choosePorts(host: string, wishes: PortWishes, dataDirectory: string | undefined): Promise<Ports> {
  const path = dataDirectory === undefined ? undefined : join(dataDirectory, FILE_NAME)
  const remembered = path === undefined ? {} : parsePorts(await readJsonFile(path))
  const chosen: Partial<Record<PortName, number>> = {}
  for (const name of ['webSocket', 'tcp', 'webRtcDirect'] as const) {
    const wish = wishes[name]
    if (wish === undefined) continue
    const hints = [remembered[name], name === 'webRtcDirect' ? chosen.webSocket : undefined]
    chosen[name] = await choosePort(name === 'webRtcDirect' ? 'UDP' : 'TCP', host, wish, hints)
  }
  if (path !== undefined && JSON.stringify({ ...remembered, ...chosen }) !== JSON.stringify(remembered))
    await writeJsonFile(path, { ...remembered, ...chosen })
  return chosen
}

async function choosePort(protocol: 'TCP' | 'UDP', host: string, wish: number, hints: readonly (number | undefined)[]): Promise<number> {
  const tryPort = protocol === 'TCP' ? tryTcp : tryUdp
  if (wish !== 0) return tryPort(host, wish)
  for (const [index, hint] of hints.entries()) {
    if (hint === undefined) continue
    // The process before this one may be just letting go of the remembered port.
    const port = await tryPatiently(async () => tryPort(host, hint), index === 0 ? PATIENT_ATTEMPTS : 1)
    if (port !== undefined) return port
  }
  return tryPort(host, 0)
}

async function tryPatiently(attempt: () => Promise<number>, attemptsMax: number): Promise<number | undefined> {
  for (let attempts = 1; ; attempts++) {
    try {
      return await attempt()
    } catch (error) {
      if (!(error instanceof PortUnavailableError)) throw error
      if (attempts >= attemptsMax) return undefined
      await setTimeout(PATIENCE_MS)
    }
  }
}

/** The port, after it was free a moment ago. */
async function tryTcp(host: string, port: number): Promise<number> {
  const { promise, resolve, reject } = Promise.withResolvers<number>()
  const server = createServer()
  server.once('error', (error) => reject(toPortError('TCP', port, error)))
  server.listen({ host, port, exclusive: true }, () => {
    const address = server.address()
    const bound = typeof address === 'object' && address !== null ? address.port : port
    server.close(() => resolve(bound))
  })
  return promise
}

async function tryUdp(host: string, port: number): Promise<number> {
  const { promise, resolve, reject } = Promise.withResolvers<number>()
  const socket = createSocket(host.includes(':') ? 'udp6' : 'udp4')
  socket.once('error', (error) => {
    socket.close()
    reject(toPortError('UDP', port, error))
  })
  socket.bind({ address: host, port, exclusive: true }, () => {
    const bound = socket.address().port
    socket.close(() => resolve(bound))
  })
  return promise
}

function toPortError(protocol: 'TCP' | 'UDP', port: number, error: Error): Error {
  return 'code' in error && typeof error.code === 'string' ? new PortUnavailableError(protocol, port, error.code) : error
}

function explain(code: string): string {
  if (code === 'EADDRINUSE') return 'another program is using it'
  if (code === 'EACCES') return 'this user may not use it'
  if (code === 'EADDRNOTAVAIL') return 'this device does not have that address'
  return code
}

function parsePorts(value: unknown): Ports {
  const ports: Partial<Record<PortName, number>> = {}
  if (typeof value !== 'object' || value === null) return ports
  for (const [name, port] of Object.entries(value) as [string, unknown][]) {
    if (name !== 'webSocket' && name !== 'tcp' && name !== 'webRtcDirect') continue
    if (typeof port === 'number' && Number.isInteger(port) && port > 0 && port < 65_536) ports[name] = port
  }
  return ports
}
