import type { Json, TestUser } from '../../client-api/test-node.test-support.ts'
import { ClassicClient } from './classic-client.test-support.ts'
import { isMemberName, type RoomView, stateName, type View } from './view.test-support.ts'

type Finish = <T>(work: Promise<T>) => Promise<T>

interface Compared {
  readonly user: TestUser
  readonly view: View
  readonly lazy: boolean
  /** Of others' receipts a sliding sync tells those of the events it shows. */
  readonly sliding: boolean
}

/** In what a view that was put together from syncs differs from what the server says when it is asked. */
export async function differences({ user, view, lazy, sliding }: Compared, finish: Finish): Promise<string[]> {
  const found = [...view.faults]
  const expectEqual = (what: string, shown: unknown, true_: unknown): void => {
    if (JSON.stringify(shown) === JSON.stringify(true_)) return
    const [only, lacks] = Array.isArray(shown) && Array.isArray(true_) ? [beside(shown, true_), beside(true_, shown)] : [shown, true_]
    found.push(`${what}: shows ${JSON.stringify(only)} instead of ${JSON.stringify(lacks)}`)
  }
  const fresh = new ClassicClient(user, { stateName: 'state_after', limit: 500, lazy: false })
  await fresh.sync({ lost: false })
  const { joined_rooms: joined } = await user.ok('GET', '/joined_rooms')
  expectEqual('joined rooms', [...view.joined.keys()].toSorted(), joined.toSorted())
  expectEqual('invites', [...view.invited].toSorted(), [...fresh.view.invited].toSorted())
  expectEqual('account data', sorted(view.accountData), sorted(fresh.view.accountData))
  const direct = new Set(Object.values<Json>(JSON.parse(fresh.view.accountData.get('m.direct') ?? '{}')).flat())
  for (const roomId of joined) {
    const room = view.joined.get(roomId)
    if (room === undefined) continue
    const truth = fresh.view.room(roomId)
    const expectIn = (what: string, shown: unknown, true_: unknown): void => expectEqual(`${what} of ${roomId}`, shown, true_)
    const state = await stateOf(user, roomId)
    // What servers did beside each other can end in another state than the timeline says in its order, and clients that do not ask for
    // `state_after` cannot be told; that an entry is no longer there can be told by sliding sync only.
    const forked = serversOf(state).size > 1
    const isKnown = (name: string): boolean =>
      !(lazy && isMemberName(name) && !room.state.has(name)) &&
      !(forked && room.fromTimeline.has(name)) &&
      !(forked && !sliding && !state.has(name))
    const known = (entries: ReadonlyMap<string, string>): [string, string][] => sorted(entries).filter(([name]) => isKnown(name))
    expectIn('state', known(room.state), known(state))
    if (lazy && !room.fromTimeline.has(`m.room.member ${user.userId}`))
      expectIn('own membership', room.state.get(`m.room.member ${user.userId}`), state.get(`m.room.member ${user.userId}`))
    expectIn('account data', sorted(room.accountData), sorted(truth.accountData))
    expectIn('typing', room.typing, truth.typing)
    expectIn('unread', room.counts, truth.counts)
    if (room.members.joined !== undefined) expectIn('number of members', room.members, truth.members)
    if (sliding) expectIn('being direct', room.isDirect, direct.has(roomId))
    expectIn('receipts', sorted(room.receipts), sorted(sliding ? receiptsToShow(truth, room, user.userId) : truth.receipts))
    for (const fault of await timelineFaults(user, roomId, room, finish)) found.push(`timeline of ${roomId}: ${fault}`)
  }
  return found
}

function beside(entries: readonly unknown[], others: readonly unknown[]): unknown[] {
  const known = new Set(others.map((entry) => JSON.stringify(entry)))
  return entries.filter((entry) => !known.has(JSON.stringify(entry)))
}

/** Own receipts, and of those of others what is known must not be old. */
function receiptsToShow(truth: RoomView, shown: RoomView, userId: string): Map<string, string> {
  return new Map([...truth.receipts].filter(([name]) => name.startsWith(`${userId} `) || shown.receipts.has(name)))
}

function serversOf(state: ReadonlyMap<string, string>): Set<string> {
  return new Set([...state.keys()].filter(isMemberName).map((name) => name.slice(name.indexOf(':'))))
}

function sorted(map: ReadonlyMap<string, string>): [string, string][] {
  return [...map].toSorted(([a], [b]) => (a < b ? -1 : 1))
}

async function stateOf(user: TestUser, roomId: string): Promise<Map<string, string>> {
  const events = await user.ok('GET', `/rooms/${encodeURIComponent(roomId)}/state`)
  return new Map(events.map((event: Json) => [stateName(event), event.event_id]))
}

async function timelineFaults(user: TestUser, roomId: string, room: RoomView, finish: Finish): Promise<string[]> {
  const truth = await pageBack(user, roomId, undefined, finish)
  const before = room.prevBatch === undefined ? [] : await pageBack(user, roomId, room.prevBatch, finish)
  const servers = new Map(truth.map(({ event_id: eventId, sender }) => [eventId, sender.slice(sender.indexOf(':'))]))
  const shown = [...before.map((event) => event.event_id as string), ...room.live]
  const faults: string[] = []
  if (new Set(shown).size !== shown.length) faults.push(`twice: ${shown.filter((id, index) => shown.indexOf(id) !== index).join()}`)
  const lost = [...servers.keys()].filter((id) => !shown.includes(id))
  const invented = shown.filter((id) => !servers.has(id))
  if (lost.length > 0) faults.push(`lost: ${lost.join()}`)
  if (invented.length > 0) faults.push(`not there: ${invented.join()}`)
  // What one server sent has one order, whatever happened beside it; but a redaction is told of once what it redacts is there.
  const redactions = new Set(truth.filter(({ type }) => type === 'm.room.redaction').map((event) => event.event_id as string))
  for (const server of new Set(servers.values())) {
    const ofServer = (ids: Iterable<string>): string[] => [...ids].filter((id) => servers.get(id) === server && !redactions.has(id))
    if (ofServer(shown).join() !== ofServer(servers.keys()).join()) faults.push('in another order')
  }
  return faults
}

/** Everything before a place, the oldest first. */
async function pageBack(user: TestUser, roomId: string, from: string | undefined, finish: Finish): Promise<Json[]> {
  const events: Json[] = []
  let token = from
  for (let page = 0; page < 200; page++) {
    const query = new URLSearchParams({ dir: 'b', limit: '7', ...(token === undefined ? {} : { from: token }) })
    const { chunk, end } = await finish(user.ok('GET', `/rooms/${encodeURIComponent(roomId)}/messages?${query}`))
    events.push(...chunk)
    if (end === undefined) return events.toReversed()
    token = end
  }
  throw new Error('there is no end of pages')
}
