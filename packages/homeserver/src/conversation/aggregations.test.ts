import type { EventId, UserId } from '@kith/matrix-protocol'
import { checkStore } from '@kith/testkit/store-check'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { IgnoredUsers } from '../accounts/ignored-users.ts'
import { limits } from '../limits.ts'
import type { StoredEvent } from '../rooms/index.ts'
import { Visibility } from '../sync/visibility.ts'
import { Aggregations } from './aggregations.ts'
import { conversation, play, relatesTo, visibleTo } from './conversations.test-support.ts'
import { readRelations } from './relation-pages.ts'
import { readThreads } from './threads.ts'

interface Summary {
  readonly edit?: EventId
  readonly thread?: { readonly latest: EventId; readonly count: number; readonly participated: boolean }
  readonly references?: readonly EventId[]
}

/** A recount over everything that the user sees, oldest first. */
function recount(event: StoredEvent, visible: readonly StoredEvent[], userId: UserId): Summary {
  const own = relatesTo(event).relType
  if (event.pdu.state_key !== undefined || own === 'm.replace' || own === 'm.annotation') return {}
  const childrenBy = (relType: string): StoredEvent[] =>
    visible.filter((child) => relatesTo(child).relType === relType && relatesTo(child).target === event.eventId)
  const edits = childrenBy('m.replace').filter(({ pdu }) => pdu.sender === event.pdu.sender && pdu.content['m.new_content'] !== undefined)
  const edit = edits.toSorted((a, b) => a.pdu.origin_server_ts - b.pdu.origin_server_ts || (a.eventId < b.eventId ? -1 : 1)).at(-1)
  const replies = own === 'm.thread' ? [] : childrenBy('m.thread')
  const latest = replies.at(-1)
  const references = childrenBy('m.reference').map(({ eventId }) => eventId)
  const participated = [event, ...replies].some(({ pdu }) => pdu.sender === userId)
  return {
    ...(edit === undefined || event.redactedBy !== undefined ? {} : { edit: edit.eventId }),
    ...(latest === undefined ? {} : { thread: { latest: latest.eventId, count: replies.length, participated } }),
    ...(references.length === 0 ? {} : { references: references.toReversed() }),
  }
}

/** What relates to an event, by so many steps at most. */
function relatedTo(eventId: EventId, events: readonly StoredEvent[], steps: number): ReadonlySet<EventId> {
  const related = new Set<EventId>([eventId])
  for (let step = 0; step < steps; step++) {
    const known = new Set(related)
    for (const event of events) {
      const { target } = relatesTo(event)
      if (target !== undefined && known.has(target)) related.add(event.eventId)
    }
  }
  related.delete(eventId)
  return related
}

const cases = fc.record({ conversation, ignoring: fc.boolean(), pageSize: fc.integer({ min: 1, max: 3 }) })

test(
  'aggregations, lists of relations and of threads are what a recount over the visible history gives, on every server',
  { timeout: 120_000 },
  async () => {
    let aggregatedTotal = 0
    await fc.assert(
      fc.asyncProperty(cases, async ({ conversation: steps, ignoring, pageSize }) => {
        const { servers, users, roomId } = await play(steps)
        for (const [index, server] of servers.entries()) {
          expect((await checkStore(server.storage)).faults).toEqual([])
          const [userId, other] = index === 0 ? users : [users[1], users[0]]
          const ignored = new Set<string>(ignoring ? [other] : [])
          const ignoredUsers = new IgnoredUsers({
            onChange: () => {},
            get: async () => ({ ignored_users: Object.fromEntries([...ignored].map((id) => [id, {}])) }),
          })
          const parts = { rooms: server.rooms, visibility: new Visibility(server.rooms), ignoredUsers }
          const aggregations = new Aggregations(parts)
          const visible = await visibleTo(server, roomId, userId, ignored)
          const aggregated = await aggregations.of(visible, userId)
          const found = visible.map(({ eventId }): Summary => {
            const { edit, thread, references } = aggregated.get(eventId) ?? {}
            return {
              ...(edit === undefined ? {} : { edit: edit.eventId }),
              ...(thread === undefined ? {} : { thread: { ...thread, latest: thread.latest.eventId } }),
              ...(references === undefined ? {} : { references }),
            }
          })
          aggregatedTotal += aggregated.size
          expect(found).toEqual(visible.map((event) => recount(event, visible, userId)))

          const everything = await visibleTo(server, roomId, userId, new Set())
          for (const { eventId } of visible) {
            for (const recurse of [false, true]) {
              const related = relatedTo(eventId, everything, recurse ? limits.implementation.relationsRecursionMax : 1)
              const children = visible.filter((child) => related.has(child.eventId)).map((child) => child.eventId)
              for (const direction of ['b', 'f'] as const) {
                const listed: EventId[] = []
                let from: string | undefined
                do {
                  const all = { roomId, target: eventId, relType: undefined, eventType: undefined, recurse, to: undefined, userId }
                  const page = await readRelations(parts, { ...all, direction, from, limit: pageSize })
                  listed.push(...page.events.map((child) => child.eventId))
                  from = page.end
                } while (from !== undefined)
                expect(listed).toEqual(direction === 'f' ? children : children.toReversed())
              }
            }
          }

          const roots = everything
            .map((event) => ({ eventId: event.eventId, thread: recount(event, visible, userId).thread }))
            .filter(({ thread }) => thread !== undefined)
          const placeOf = (eventId: EventId | undefined): number => visible.findIndex((event) => event.eventId === eventId)
          const byLatest = roots.toSorted((a, b) => placeOf(b.thread?.latest) - placeOf(a.thread?.latest)).map(({ eventId }) => eventId)
          const threads: EventId[] = []
          let from: string | undefined
          do {
            const page = await readThreads(parts, aggregations, { roomId, userId, participated: false, from, limit: pageSize })
            threads.push(...page.roots.map(({ eventId }) => eventId))
            from = page.end
          } while (from !== undefined)
          expect(threads).toEqual(byLatest)
        }
      }),
      { numRuns: 40 },
    )
    expect(aggregatedTotal).toBeGreaterThan(10)
  },
)
