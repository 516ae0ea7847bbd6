import { type JsonObject, ownObject, ownString, type RoomId, type UserId } from '@kith/matrix-protocol'
import { KeyedQueue } from '../keyed-queue.ts'
import { limits } from '../limits.ts'
import { relationOf, type Rooms } from '../rooms/index.ts'

export interface EventToSend {
  readonly roomId: RoomId
  readonly sender: UserId
  readonly type: string
  readonly content: JsonObject
}

/**
 * Nobody annotates an event with the same key twice.
 * @see https://spec.matrix.org/latest/client-server-api/#avoiding-duplicate-annotations
 */
export class Annotations {
  readonly #rooms: Rooms
  /** Annotations by one user of one event wait for each other, so that none overlooks the other. */
  readonly #queue = new KeyedQueue<string>()

  constructor(rooms: Rooms) {
    this.#rooms = rooms
  }

  /** Runs `send` unless it would repeat an annotation; for other events at once. */
  async once<T>(
    event: EventToSend,
    send: () => Promise<T>,
  ): Promise<{ readonly kind: 'done'; readonly result: T } | { readonly kind: 'duplicate' }> {
    const relation = relationOf(event)
    if (relation?.relType !== 'm.annotation') return { kind: 'done', result: await send() }
    return this.#queue.run(`${event.sender} ${relation.target}`, async () =>
      (await this.#exists(event)) ? { kind: 'duplicate' } : { kind: 'done', result: await send() },
    )
  }

  async #exists(event: EventToSend): Promise<boolean> {
    const relation = relationOf(event)
    if (relation === undefined) return false
    const query = { direction: 'b', from: undefined, limit: limits.implementation.relationsAggregatedMax } as const
    const entries = await this.#rooms.relations.ofType(event.roomId, relation.target, relation.relType, query)
    const own = entries.filter(({ sender, type }) => sender === event.sender && type === event.type)
    const annotations = await this.#rooms.events(own.map(({ eventId }) => eventId))
    const key = keyOf(event.content)
    return annotations.some(
      (annotation) => annotation !== undefined && annotation.redactedBy === undefined && keyOf(annotation.pdu.content) === key,
    )
  }
}

function keyOf(content: JsonObject): string | undefined {
  return ownString(ownObject(content, 'm.relates_to'), 'key')
}
