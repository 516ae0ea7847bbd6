import { type RoomId, type ServerName, unreachable } from '@kith/matrix-protocol'
import { growingWaitMs } from '../../growing-wait.ts'
import { limits } from '../../limits.ts'
import type { Ports } from '../../ports/index.ts'
import type { PartialRoom, Rooms } from '../../rooms/index.ts'
import { serversToAsk } from '../fetch/servers-to-ask.ts'
import type { Deliver } from '../deliver/deliver.ts'
import type { PeerClient } from '../peer-client.ts'
import { Semaphore } from '../semaphore.ts'
import { Wake } from '../wake.ts'
import { askForState, fetchToldState } from './fetch-room-state.ts'

export interface CompleteRoomsParts {
  readonly ports: Pick<Ports, 'clock' | 'network' | 'log'>
  readonly client: PeerClient
  readonly rooms: Rooms
  readonly deliver: Pick<Deliver, 'giveUp'>
  readonly serverName: ServerName
}

/**
 * Brings the members of rooms that were joined without them, in the background: from whoever was in the room, as long as it takes, also
 * after a restart. What comes is verified by rooms; what does not hold changes nothing, and others are asked.
 */
export class CompleteRooms {
  readonly #parts: CompleteRoomsParts
  readonly #signal: AbortSignal
  readonly #places = new Semaphore(limits.implementation.completedAtOnceMax)
  readonly #working = new Map<RoomId, { readonly wake: Wake; readonly done: Promise<void> }>()

  constructor(parts: CompleteRoomsParts, signal: AbortSignal) {
    this.#parts = parts
    this.#signal = signal
  }

  /** Goes on with what was begun before a restart. */
  start(): void {
    for (const { roomId } of this.#parts.rooms.partialRooms()) this.begin(roomId)
    this.#parts.ports.network.watchPeers((event) => {
      if (event.kind === 'connected') this.#wakeFor(event.server)
    }, this.#signal)
  }

  /** Begins with a room, unless it is being worked on. Returns at once. */
  begin(roomId: RoomId): void {
    if (this.#signal.aborted || this.#working.has(roomId)) return
    const wake = new Wake()
    const done = this.#complete(roomId, wake).catch((error: unknown) => {
      if (this.#signal.aborted) return
      this.#parts.ports.log.error('Completing a room failed', { roomId, error: error instanceof Error ? error.name : 'unknown' })
    })
    this.#working.set(roomId, { wake, done })
    void done.then(() => this.#working.delete(roomId))
  }

  async stopped(): Promise<void> {
    await Promise.allSettled([...this.#working.values()].map(({ done }) => done))
  }

  async #complete(roomId: RoomId, wake: Wake): Promise<void> {
    const { completeRetryMinMs, completeRetryMaxMs } = limits.implementation
    for (let round = 0; ; round++) {
      const room = this.#partialRoom(roomId)
      if (room === undefined) return
      if (await this.#places.run(this.#signal, () => this.#tryOnce(room, round))) return
      await wake.wait(this.#parts.ports.clock, growingWaitMs(round, completeRetryMinMs, completeRetryMaxMs), this.#signal)
    }
  }

  /** True when nothing is left to do. */
  async #tryOnce(room: PartialRoom, round: number): Promise<boolean> {
    const { roomId, joinEventId: eventId } = room
    const version = this.#parts.rooms.version(roomId)
    if (version === undefined) return true
    for (const told of await askForState(this.#parts, { roomId, eventId }, this.#servers(room, round), this.#signal)) {
      const before = await fetchToldState(this.#parts, { roomId, eventId, version }, told, this.#signal)
      if (before === undefined) continue
      const giveUp = (server: ServerName): Promise<void> => this.#parts.deliver.giveUp(server, roomId)
      const outcome = await this.#parts.rooms.completeState(roomId, before, giveUp, this.#signal)
      switch (outcome.kind) {
        case 'completed':
        case 'unknown-room':
          return true
        case 'invalid':
          this.#parts.ports.log.warn('The state of a room that servers told does not hold', {
            servers: told.servers,
            reason: outcome.reason,
          })
          break
        default:
          unreachable(outcome)
      }
    }
    return false
  }

  /** Others in each round, so that neither the dead nor liars stand in the way for ever; the one that let the user in is asked always. */
  #servers({ roomId, servers }: PartialRoom, round: number): ServerName[] {
    const { rooms, ports, serverName } = this.#parts
    const [first, ...others] = servers
    const start = others.length === 0 ? 0 : (round * (limits.implementation.serversTriedMax - 1)) % others.length
    const preferred = [...(first === undefined ? [] : [first]), ...others.slice(start), ...others.slice(0, start)]
    return serversToAsk({ rooms, network: ports.network, serverName }, roomId, preferred)
  }

  #partialRoom(roomId: RoomId): PartialRoom | undefined {
    return this.#parts.rooms.partialRooms().find((room) => room.roomId === roomId)
  }

  #wakeFor(server: ServerName): void {
    for (const { roomId, servers } of this.#parts.rooms.partialRooms()) if (servers.includes(server)) this.#working.get(roomId)?.wake.wake()
  }
}
