import { setTimeout as sleep } from 'node:timers/promises'
import { eventually, PATIENCE_MS } from '@kith/testkit/eventually'
import type { Json } from '@kith/testkit/world/json'
import { expect } from 'vitest'
import type { ApiAccount } from './api-account.ts'
import type { KillVictim } from './kill-victim.ts'

const STATE_EVENTS = 400
const BURST = 40
const SENDS_AT_ONCE = 4
const INTERRUPTED_SHARE_MIN = 1 / 3
/** Roughly until the host has taken the join. */
const HANDSHAKE_MS = 50
/** Roughly between the answer to the join and the end of its installation. */
const INSTALL_MS = 50
/** A kill by chance comes before this part of what the first join took, which is slower than the others. */
const CHANCE_REACHES = 0.8

export interface KillSetting {
  readonly victim: KillVictim
  /** On a server that lives on. */
  readonly host: ApiAccount
  /** Further users of that server, members of each room. */
  readonly guests: readonly ApiAccount[]
  readonly random: { integer(below: number): number }
}

/** Where in a join the kill came: before the host knew of it, before it was stored, before the client heard, and after all that. */
export type JoinMoment = 'unknown' | 'underway' | 'stored' | 'answered'

/** A room with hundreds of state events, some members and a message. */
async function createRoom({ host, guests }: KillSetting): Promise<string> {
  const initialState = Array.from({ length: STATE_EVENTS }, (_, index) => ({
    type: 'kith.test',
    state_key: String(index),
    content: { text: `state ${index} `.repeat(8) },
  }))
  const { room_id: roomId } = await host.ok('POST', '/createRoom', { preset: 'public_chat', initial_state: initialState })
  await Promise.all(guests.map((guest) => guest.ok('POST', `/join/${encodeURIComponent(roomId)}`, {})))
  await host.sendUntilAcknowledged(roomId, `welcome to ${roomId}`)
  return roomId
}

/** Kills the victim once in each of these joins and lets it join again; tells the moments that were hit. */
export async function killDuringJoins(setting: KillSetting, rounds: number): Promise<JoinMoment[]> {
  const { victim, host } = setting
  const first = await createRoom(setting)
  const begun = performance.now()
  await victim.account.join(first, host.serverName)
  const usualMs = performance.now() - begun
  await joinForGood(setting, first)
  const moments: JoinMoment[] = []
  for (let round = 0; round < rounds; round += 1) {
    const roomId = await createRoom(setting)
    let answered = false
    const joining = victim.account.join(roomId, host.serverName).then(
      ({ status }) => (answered = status === 200),
      () => undefined,
    )
    await Promise.race([joining, untilKill(setting, roomId, round, usualMs)])
    const wasAnswered = answered
    await victim.kill()
    const known = await isJoinKnown(setting, roomId)
    const { faults, roomIds } = await victim.checkStore()
    expect(faults, `the store after round ${round}`).toEqual([])
    const stored = roomIds.has(roomId)
    moments.push(wasAnswered ? 'answered' : stored ? 'stored' : known ? 'underway' : 'unknown')
    if (wasAnswered) expect(stored, 'a join that was answered is stored').toBe(true)
    await victim.start()
    await expectWhollyThereOrNot(setting, roomId, stored)
    await joinForGood(setting, roomId)
  }
  return moments
}

/** Kills the victim once in each burst of messages that it receives; tells how many of a burst it had each time. The host sends until then, however far behind the victim is. */
export async function killDuringReceivedBursts(setting: KillSetting, rounds: number): Promise<PartOfBurst[]> {
  const { victim, host, random } = setting
  const roomId = await createRoom(setting)
  await joinForGood(setting, roomId)
  const received: PartOfBurst[] = []
  for (let round = 0; round < rounds; round += 1) {
    const killed = new AbortController()
    const burst = sendBurst(host, roomId, `to the victim in round ${round}`, killed.signal)
    try {
      await burst.acknowledged(1 + random.integer(BURST - 1))
      await untilHeard(setting, roomId, burst)
      await victim.kill()
    } finally {
      killed.abort()
    }
    const ids = await burst.done
    const { faults, accepted } = await victim.checkStore()
    expect(faults, `the store after round ${round}`).toEqual([])
    received.push({ had: ids.filter((eventId) => accepted.has(eventId)).length, of: ids.length })
    await victim.start()
    await expectSameRoom(setting, roomId)
  }
  return received
}

/** Kills the victim once in each burst of messages that it sends; tells how many of a burst it had acknowledged each time. */
export async function killDuringSentBursts(setting: KillSetting, rounds: number): Promise<PartOfBurst[]> {
  const { victim, random } = setting
  const roomId = await createRoom(setting)
  await joinForGood(setting, roomId)
  const acknowledged: PartOfBurst[] = []
  for (let round = 0; round < rounds; round += 1) {
    const burst = sendBurst(victim.account, roomId, `of the victim in round ${round}`)
    await burst.acknowledged(1 + random.integer(BURST - 1))
    await victim.kill()
    const before = burst.soFar()
    acknowledged.push({ had: before.length, of: BURST })
    const { faults, accepted } = await victim.checkStore()
    expect(faults, `the store after round ${round}`).toEqual([])
    expect(before.filter((eventId) => !accepted.has(eventId))).toEqual([])
    await victim.start()
    // Meanwhile the clients have tried again with the same transaction ids.
    const ids = await burst.done
    expect(new Set(ids).size).toBe(BURST)
    const shown = await expectSameRoom(setting, roomId)
    const own = shown.filter(({ text }) => burst.texts.includes(text))
    expect(own.map(({ eventId }) => eventId).toSorted()).toEqual(ids.toSorted())
    expect(own.map(({ text }) => text).toSorted()).toEqual(burst.texts.toSorted())
  }
  return acknowledged
}

/** How many messages of a burst there were at the kill. */
export interface PartOfBurst {
  readonly had: number
  readonly of: number
}

export interface Interruptions {
  readonly moments: readonly JoinMoment[]
  readonly received: readonly PartOfBurst[]
  readonly acknowledged: readonly PartOfBurst[]
}

/** Kills that come when all is done prove nothing: a good part of each kind must have come in the middle. */
export function expectInterrupted(interruptions: Interruptions): void {
  process.stdout.write(`kills hit: ${JSON.stringify(interruptions)}\n`)
  const { moments, received, acknowledged } = interruptions
  const underWay = moments.filter((moment) => moment !== 'answered')
  expect(underWay.length, `interrupted joins: ${moments.join()}`).toBeGreaterThanOrEqual(moments.length * INTERRUPTED_SHARE_MIN)
  for (const parts of [received, acknowledged]) {
    const inTheMiddle = parts.filter(({ had, of }) => had > 0 && had < of)
    expect(inTheMiddle.length, `messages of interrupted bursts: ${JSON.stringify(parts)}`).toBeGreaterThanOrEqual(
      parts.length * INTERRUPTED_SHARE_MIN,
    )
  }
}

interface Burst {
  readonly texts: readonly string[]
  /** Resolves when so many are acknowledged. */
  acknowledged(count: number): Promise<void>
  soFar(): readonly string[]
  /** Ids of all, in the order of the texts. */
  readonly done: Promise<string[]>
}

/** `BURST` messages, and then as many more as are sent until `enough` is aborted. */
function sendBurst(sender: ApiAccount, roomId: string, name: string, enough = AbortSignal.abort()): Burst {
  const texts: string[] = []
  const ids = new Map<string, string>()
  const waiting: { readonly count: number; readonly reached: () => void }[] = []
  const work = async (): Promise<void> => {
    while (texts.length < BURST || !enough.aborted) {
      const text = `message ${texts.length} ${name}`
      texts.push(text)
      ids.set(text, await sender.sendUntilAcknowledged(roomId, text))
      for (const { count, reached } of waiting) if (ids.size >= count) reached()
    }
  }
  const done = Promise.all(Array.from({ length: SENDS_AT_ONCE }, work)).then(() => texts.map((text) => ids.get(text) ?? ''))
  done.catch(() => undefined)
  return {
    texts,
    done,
    soFar: () => [...ids.values()],
    acknowledged: async (count) => {
      const { promise, resolve } = Promise.withResolvers<void>()
      waiting.push({ count, reached: resolve })
      await Promise.race([promise, done])
    },
  }
}

/** Resolves when the victim shows one of the burst: a kill before that would not come in the middle of it. */
async function untilHeard({ victim }: KillSetting, roomId: string, burst: Burst): Promise<void> {
  await eventually('the victim hears of the burst', PATIENCE_MS, async () => {
    const { chunk }: Json = await victim.account.ok('GET', `/rooms/${encodeURIComponent(roomId)}/messages?dir=b&limit=1`)
    return chunk.some((event: Json) => burst.texts.includes(event.content.body))
  })
}

/** Early in the join, anywhere in it, or when the host has just taken it, in turn. */
async function untilKill(setting: KillSetting, roomId: string, round: number, usualMs: number): Promise<void> {
  const { random } = setting
  const kind = round % 3
  if (kind === 2) await untilJoinIsKnown(setting, roomId)
  await sleep(random.integer(kind === 0 ? HANDSHAKE_MS : kind === 1 ? usualMs * CHANCE_REACHES : INSTALL_MS))
}

async function isJoinKnown({ victim, host }: KillSetting, roomId: string): Promise<boolean> {
  const state = await host.state(roomId)
  return state.has(`m.room.member ${victim.account.userId}`)
}

async function untilJoinIsKnown(setting: KillSetting, roomId: string): Promise<void> {
  const path = `/rooms/${encodeURIComponent(roomId)}/state/m.room.member/${encodeURIComponent(setting.victim.account.userId)}`
  for (const end = performance.now() + PATIENCE_MS; performance.now() < end;) {
    if ((await setting.host.call('GET', path)).status === 200) return
    await sleep(2)
  }
}

async function expectWhollyThereOrNot({ victim, host }: KillSetting, roomId: string, stored: boolean): Promise<void> {
  expect((await victim.account.joinedRooms()).includes(roomId)).toBe(stored)
  if (stored) {
    // What a member's server left out of its answer to the join may still be on its way.
    await eventually('the state is whole', PATIENCE_MS, async () => {
      expect(await victim.account.state(roomId)).toEqual(await host.state(roomId))
      return true
    })
  } else {
    const { status } = await victim.account.call('GET', `/rooms/${encodeURIComponent(roomId)}/state`)
    expect([403, 404]).toContain(status)
  }
}

async function joinForGood(setting: KillSetting, roomId: string): Promise<void> {
  const { victim, host } = setting
  await eventually('the victim joins', PATIENCE_MS, async () => {
    const { status, body } = await victim.account.join(roomId, host.serverName)
    if (status !== 200) throw new Error(`${status} ${JSON.stringify(body)}`)
    return true
  })
  await victim.account.sendUntilAcknowledged(roomId, `thank you, says the victim in ${roomId}`)
  await expectSameRoom(setting, roomId)
}

/** Both servers show the same state and the same messages in the same order, each once. */
async function expectSameRoom({ victim, host }: KillSetting, roomId: string): Promise<readonly { eventId: string; text: string }[]> {
  return eventually('both servers show the same', PATIENCE_MS, async () => {
    const [ours, theirs] = await Promise.all([victim.account.messages(roomId), host.messages(roomId)])
    expect(ours).toEqual(theirs)
    expect(new Set(ours.map(({ eventId }) => eventId)).size).toBe(ours.length)
    expect(await victim.account.state(roomId)).toEqual(await host.state(roomId))
    return ours
  })
}
