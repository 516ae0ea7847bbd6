import type { RoomId, ServerName } from '@kith/matrix-protocol'
import type { RemoteSpaceOutcome } from '../../client-api/federation-access.ts'
import { parseSpaceAnswer } from '../../directory/index.ts'
import { limits } from '../../limits.ts'
import type { Clock } from '../../ports/clock.ts'
import type { PeerClient } from '../peer-client.ts'

interface CachedAnswer {
  readonly outcome: RemoteSpaceOutcome
  readonly until: number
}

/** What other servers say of spaces; good for a while, as the specification wants it. */
export class SpaceAnswers {
  readonly #client: PeerClient
  readonly #clock: Clock
  readonly #cache = new Map<string, CachedAnswer>()

  constructor(client: PeerClient, clock: Clock) {
    this.#client = client
    this.#clock = clock
  }

  /** Asks one of these servers after the other. @see https://spec.matrix.org/latest/server-server-api/#get_matrixfederationv1hierarchyroomid */
  async ask(roomId: RoomId, via: readonly ServerName[], suggestedOnly: boolean, signal: AbortSignal): Promise<RemoteSpaceOutcome> {
    const servers = via.slice(0, limits.implementation.spaceServersAskedMax)
    // Who was asked belongs to it: whoever names other servers does not want to hear what these made of the room.
    const name = JSON.stringify([suggestedOnly, roomId, ...servers])
    const cached = this.#cache.get(name)
    if (cached !== undefined && cached.until > this.#clock.now()) return cached.outcome
    const outcome = await this.#askServers(roomId, servers, suggestedOnly, signal)
    if (outcome.kind !== 'unreachable') this.#remember(name, outcome)
    return outcome
  }

  async #askServers(
    roomId: RoomId,
    servers: readonly ServerName[],
    suggestedOnly: boolean,
    signal: AbortSignal,
  ): Promise<RemoteSpaceOutcome> {
    let worst: RemoteSpaceOutcome = { kind: 'unreachable', reason: 'No server of the room is known' }
    const query = suggestedOnly ? '?suggested_only=true' : ''
    const call = { method: 'GET', path: `/_matrix/federation/v1/hierarchy/${encodeURIComponent(roomId)}${query}` } as const
    for (const server of servers) {
      const answer = await this.#client.call(server, { ...call, timeoutMs: limits.implementation.interactiveTimeoutMs }, signal)
      const parsed = answer.kind === 'ok' ? parseSpaceAnswer(roomId, answer.body) : undefined
      if (parsed !== undefined) return { kind: 'found', answer: parsed }
      if (answer.kind === 'refused') worst = { kind: 'not-found' }
    }
    return worst
  }

  #remember(name: string, outcome: RemoteSpaceOutcome): void {
    this.#cache.delete(name)
    this.#cache.set(name, { outcome, until: this.#clock.now() + limits.implementation.spaceAnswerCacheMs })
    const [oldest] = this.#cache.keys()
    if (this.#cache.size > limits.implementation.spaceAnswersCachedMax && oldest !== undefined) this.#cache.delete(oldest)
  }
}
