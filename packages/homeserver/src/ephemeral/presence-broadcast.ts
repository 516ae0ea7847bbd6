import type { JsonObject, ServerName, UserId } from '@kith/matrix-protocol'
import { limits } from '../limits.ts'
import type { Clock } from '../ports/clock.ts'
import type { Rooms } from '../rooms/index.ts'
import { type Presence, presenceContent } from './presence.ts'

export interface PresenceBroadcastParts {
  readonly presence: Presence
  readonly rooms: Pick<Rooms, 'serversSharingRooms'>
  readonly clock: Clock
  readonly serverName: ServerName
  readonly sendEphemeral: (servers: Iterable<ServerName>, edu: { readonly type: string; readonly content: JsonObject }) => void
}

/**
 * Tells the servers that share a room with a local user whether the user is there. What changes again within the interval is told once,
 * as it is then; a server that cannot be reached is not told at all.
 */
export class PresenceBroadcast implements Disposable {
  readonly #parts: PresenceBroadcastParts
  readonly #closing = new AbortController()

  constructor(parts: PresenceBroadcastParts) {
    this.#parts = parts
  }

  start(): void {
    const { signal } = this.#closing
    void this.#run(signal).catch((error: unknown) => {
      if (!signal.aborted) throw error
    })
  }

  [Symbol.dispose](): void {
    this.#closing.abort()
  }

  async #run(signal: AbortSignal): Promise<void> {
    const { presence, clock } = this.#parts
    for (;;) {
      for (const userId of await presence.toAnnounce(signal)) this.#announce(userId)
      await clock.sleep(limits.implementation.presenceSendIntervalMs, signal)
    }
  }

  #announce(userId: UserId): void {
    const { presence, rooms, clock, serverName, sendEphemeral } = this.#parts
    const servers = [...rooms.serversSharingRooms(userId)].filter((server) => server !== serverName)
    const info = presence.get(userId)
    if (servers.length === 0 || info === undefined) return
    sendEphemeral(servers, { type: 'm.presence', content: { push: [{ user_id: userId, ...presenceContent(info, clock.now()) }] } })
  }
}
