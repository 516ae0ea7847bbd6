import { eventually, PATIENCE_MS } from '@kith/testkit/eventually'
import { expect } from 'vitest'
import type { Json } from '@kith/testkit/world/json'
import { ApiAccount, askAt } from './api-account.ts'
import { type Constellation, type Server, startConstellation } from './headless-constellation.ts'
import { untilReachable } from './until-reachable.ts'

/** Three servers and their relays. Alice and Dave live on the first, Bob on the second, Carol on the third; their servers know of each other. */
export interface ThreeServers extends AsyncDisposable {
  readonly constellation: Constellation
  readonly servers: readonly [Server, Server, Server]
  readonly alice: ApiAccount
  readonly bob: ApiAccount
  readonly carol: ApiAccount
  readonly dave: ApiAccount
}

export async function startThreeServers(relaysOfServers = [[0], [0], [0]]): Promise<ThreeServers> {
  await using opening = new AsyncDisposableStack()
  const constellation = opening.use(await startConstellation(relaysOfServers))
  const [first, second, third] = constellation.servers
  if (first === undefined || second === undefined || third === undefined) throw new Error('three servers were asked for')
  const [alice, bob, carol, dave] = await Promise.all([
    ApiAccount.register(askAt(first.baseUrl), 'alice'),
    ApiAccount.register(askAt(second.baseUrl), 'bob'),
    ApiAccount.register(askAt(third.baseUrl), 'carol'),
    ApiAccount.register(askAt(first.baseUrl), 'dave'),
  ])
  const accounts = [alice, bob, carol]
  await Promise.all(
    constellation.servers.map(async ({ baseUrl }, index) =>
      untilReachable(baseUrl, accounts[index]?.accessToken ?? null, relaysOfServers[index]?.length ?? 0),
    ),
  )
  await introduce(accounts)
  const opened = opening.move()
  return {
    constellation,
    servers: [first, second, third],
    alice,
    bob,
    carol,
    dave,
    [Symbol.asyncDispose]: async () => opened.disposeAsync(),
  }
}

/** What people do with links: each gets to know where the others can be reached. */
async function introduce(accounts: readonly ApiAccount[]): Promise<void> {
  const contacts = await Promise.all(accounts.map(async (account) => account.ok('GET', '/_matrix/client/unstable/im.kith/contact')))
  for (const account of accounts)
    for (const { user_id, relay_list } of contacts)
      if (user_id !== account.userId) await account.ok('POST', '/_matrix/client/unstable/im.kith/contacts', { user_id, relay_list })
}

export function roomPath(roomId: string, rest: string): string {
  return `/rooms/${encodeURIComponent(roomId)}/${rest}`
}

export async function createRoom(creator: ApiAccount, request: object): Promise<string> {
  return String((await creator.ok('POST', '/createRoom', request)).room_id)
}

export async function mustJoin(account: ApiAccount, roomId: string, ...via: readonly ApiAccount[]): Promise<void> {
  const query = new URLSearchParams(via.map(({ serverName }) => ['via', serverName]))
  await account.ok('POST', `/join/${encodeURIComponent(roomId)}?${query}`, {})
}

let transactions = 0

export async function say(account: ApiAccount, roomId: string, body: string): Promise<string> {
  const path = roomPath(roomId, `send/m.room.message/transaction-${(transactions += 1)}`)
  return String((await account.ok('PUT', path, { msgtype: 'm.text', body })).event_id)
}

export async function setState(account: ApiAccount, roomId: string, type: string, content: object, stateKey = ''): Promise<string> {
  const path = roomPath(roomId, `state/${type}/${encodeURIComponent(stateKey)}`)
  return String((await account.ok('PUT', path, content)).event_id)
}

/** What a state event says; undefined where there is none, or the user may not know. */
export async function stateContent(account: ApiAccount, roomId: string, type: string, stateKey = ''): Promise<Json> {
  const { status, body } = await account.call('GET', roomPath(roomId, `state/${type}/${encodeURIComponent(stateKey)}`))
  return status === 200 ? body : undefined
}

export async function membership(asked: ApiAccount, roomId: string, member: ApiAccount): Promise<string | undefined> {
  return (await stateContent(asked, roomId, 'm.room.member', member.userId))?.membership
}

export async function setPower(account: ApiAccount, roomId: string, levels: Readonly<Record<string, number>>): Promise<void> {
  const content = await account.ok('GET', roomPath(roomId, 'state/m.room.power_levels/'))
  await setState(account, roomId, 'm.room.power_levels', { ...content, users: { ...content.users, ...levels } })
}

export async function act(account: ApiAccount, roomId: string, action: 'ban' | 'invite' | 'kick' | 'unban', on: ApiAccount): Promise<void> {
  await account.ok('POST', roomPath(roomId, action), { user_id: on.userId })
}

/** What a server that has heard of something answers, within a bounded time. */
export async function soon(what: string, look: () => Promise<boolean>): Promise<void> {
  await eventually(what, PATIENCE_MS, look)
}

/** The servers of these members hold the same events as the state of the room. */
export async function expectSameState(roomId: string, members: readonly ApiAccount[]): Promise<void> {
  await eventually(`one state of ${roomId}`, PATIENCE_MS, async () => {
    const [first, ...others] = await Promise.all(members.map(async (member) => member.state(roomId)))
    expect(first?.size).toBeGreaterThan(0)
    for (const other of others) expect(other).toEqual(first)
    return true
  })
}

/** All events that paging shows, oldest first, from either end. */
export async function pagedEvents(account: ApiAccount, roomId: string, direction: 'b' | 'f'): Promise<Json[]> {
  const events: Json[] = []
  for (let from: string | undefined, end = false; !end;) {
    const query = new URLSearchParams({ dir: direction, limit: '60', ...(from === undefined ? {} : { from }) })
    const page: Json = await account.ok('GET', roomPath(roomId, `messages?${query}`))
    events.push(...page.chunk)
    from = page.end
    end = from === undefined
  }
  return direction === 'b' ? events.toReversed() : events
}

async function pagedEventIds(account: ApiAccount, roomId: string, direction: 'b' | 'f'): Promise<string[]> {
  return (await pagedEvents(account, roomId, direction)).map((event) => event.event_id)
}

/** These members page through the same messages in the same order, and whichever way they page, each event comes once. */
export async function expectSameHistory(roomId: string, members: readonly ApiAccount[]): Promise<void> {
  await eventually(`one history of ${roomId}`, PATIENCE_MS, async () => {
    const [first, ...others] = await Promise.all(members.map(async (member) => textsOf(member, roomId)))
    for (const other of others) expect(other).toEqual(first)
    return true
  })
  for (const member of members) {
    const backwards = await pagedEventIds(member, roomId, 'b')
    expect(await pagedEventIds(member, roomId, 'f'), `${member.userId} pages the other way`).toEqual(backwards)
    expect(new Set(backwards).size, `${member.userId} pages each event once`).toBe(backwards.length)
  }
}

export async function textsOf(member: ApiAccount, roomId: string): Promise<string[]> {
  return (await member.messages(roomId)).map(({ text }) => text)
}
