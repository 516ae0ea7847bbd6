import { type EventId, type JsonObject, parseEventId, type RoomId, type UserId } from '@kith/matrix-protocol'
import fc from 'fast-check'
import type { StoredEvent } from '../rooms/index.ts'
import { joinRemotely, RoomServer, signal } from '../rooms/room-servers.test-support.ts'
import { Visibility } from '../sync/visibility.ts'

type Step =
  | { readonly kind: 'say'; readonly who: number; readonly words: readonly string[] }
  | { readonly kind: 'relate'; readonly who: number; readonly relType: string; readonly target: number; readonly words: readonly string[] }
  | { readonly kind: 'redact'; readonly who: number; readonly target: number }
  /** One server gets all that the other has and it lacks. */
  | { readonly kind: 'deliver'; readonly to: number }
  /** The second server asks for some of what was before it came. */
  | { readonly kind: 'backfill'; readonly count: number }

export const words = ['tea', 'milk', 'été', '猫']

const who = fc.nat({ max: 1 })
const target = fc.nat({ max: 30 })
const text = fc.array(fc.constantFrom(...words), { minLength: 1, maxLength: 3 })
const relType = fc.constantFrom('m.thread', 'm.thread', 'm.replace', 'm.replace', 'm.reference', 'm.annotation')
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('say' as const), who, words: text }) },
  { weight: 6, arbitrary: fc.record({ kind: fc.constant('relate' as const), who, relType, target, words: text }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('redact' as const), who, target }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('deliver' as const), to: who }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('backfill' as const), count: fc.integer({ min: 1, max: 6 }) }) },
)

/** A conversation on two servers, the second of which came when the first had begun it. */
export const conversation = fc.record({
  before: fc.array(step, { maxLength: 12 }),
  after: fc.array(step, { minLength: 4, maxLength: 25 }),
})

export interface Played {
  readonly servers: readonly [RoomServer, RoomServer]
  readonly users: readonly [UserId, UserId]
  readonly roomId: RoomId
}

/** @param between runs after each step, on the server that it changed. */
export async function play(
  { before, after }: { readonly before: readonly Step[]; readonly after: readonly Step[] },
  between: (server: RoomServer) => Promise<void> = async () => undefined,
): Promise<Played> {
  const servers = [await RoomServer.open(1), await RoomServer.open(2)] as const
  const users = [servers[0].user('alice'), servers[1].user('bob')] as const
  const roomId = await servers[0].createRoom(users[0])
  const sent: EventId[] = [await servers[0].say(roomId, users[0], 'tea')]
  for (const step of before) await perform({ servers, users, roomId }, sent, 'who' in step ? { ...step, who: 0 } : step)
  await joinRemotely(servers[1], users[1], servers[0], roomId)
  for (const step of after) {
    await perform({ servers, users, roomId }, sent, step)
    await between(servers['who' in step ? step.who : 'to' in step ? step.to : 1] ?? servers[0])
  }
  return { servers, users, roomId }
}

async function perform({ servers, users, roomId }: Played, sent: EventId[], step: Step): Promise<void> {
  const [first, second] = servers
  switch (step.kind) {
    case 'deliver': {
      const [from, to] = step.to === 1 ? [first, second] : [second, first]
      if (!to.rooms.has(roomId)) return
      const pdus = (await from.history(roomId)).map(({ pdu }) => pdu)
      await to.rooms.receiveMany(roomId, pdus, signal)
      return
    }
    case 'backfill': {
      const [oldest] = second.rooms.has(roomId) ? await second.history(roomId) : []
      if (oldest === undefined) return
      const lacking = (await first.history(roomId)).filter(({ pdu }) => pdu.depth < oldest.pdu.depth).slice(-step.count)
      const auth = (await first.rooms.authChain(lacking.map(({ eventId }) => eventId))) ?? []
      const asPdus = (events: readonly StoredEvent[]) => events.map(({ pdu }) => pdu)
      await second.rooms.appendHistory(roomId, asPdus(lacking), asPdus(auth), signal)
      return
    }
    default: {
      const [server, user] = step.who === 1 ? [second, users[1]] : [first, users[0]]
      const eventId = sent[('target' in step ? step.target : 0) % sent.length]
      if (eventId === undefined || !server.rooms.has(roomId)) return
      const outcome = await server.send(roomId, user, {
        type: step.kind === 'redact' ? 'm.room.redaction' : 'm.room.message',
        content: step.kind === 'redact' ? {} : contentOf(step, eventId),
        ...(step.kind === 'redact' ? { redacts: eventId } : {}),
      })
      if (outcome.kind === 'sent' && step.kind !== 'redact') sent.push(outcome.eventId)
    }
  }
}

function contentOf(step: Exclude<Step, { kind: 'redact' | 'deliver' | 'backfill' }>, eventId: EventId): JsonObject {
  const body = step.words.join(' ')
  if (step.kind === 'say') return { body }
  const edited = step.relType === 'm.replace' ? { 'm.new_content': { body } } : {}
  return { body, ...edited, 'm.relates_to': { rel_type: step.relType, event_id: eventId, key: body } }
}

/** What a user may see of the room, oldest first: the naive way. */
export async function visibleTo(server: RoomServer, roomId: RoomId, userId: UserId, ignored: ReadonlySet<string>): Promise<StoredEvent[]> {
  const visible = await new Visibility(server.rooms).filter(await server.history(roomId), userId)
  return visible.filter(({ pdu }) => pdu.state_key !== undefined || !ignored.has(pdu.sender))
}

/** Parsed by hand, to depend on nothing that is under test. */
export function relatesTo({ pdu }: StoredEvent): { readonly relType: unknown; readonly target: EventId | undefined } {
  const relation = pdu.content['m.relates_to'] as { rel_type?: unknown; event_id?: unknown } | undefined
  return { relType: relation?.rel_type, target: parseEventId(relation?.event_id) }
}
