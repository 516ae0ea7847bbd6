import { expect, test } from 'vitest'
import type { Json } from '../../client-api/test-node.test-support.ts'
import type { Action } from './actions.test-support.ts'
import { Story } from './story.test-support.ts'
import type { Tamper } from './view.test-support.ts'

/** Client 0 is one of /sync, client 1 one of sliding sync; both are in the room. */
async function play(tamper: ReadonlyMap<number, Tamper> = new Map()): Promise<string[]> {
  await using story = new Story(5)
  await story.begin([], tamper)
  const sync = (client: number): Action => ({ kind: 'sync', client, lost: false, first: 0, size: 3, limit: 3 })
  const steps: Action[] = [
    { kind: 'create', user: 0, preset: 'public_chat', encrypted: false },
    { kind: 'join', user: 1, room: 0 },
    { kind: 'join', user: 2, room: 0 },
    sync(0),
    sync(1),
    { kind: 'say', user: 2, room: 0, count: 2, thread: false },
    { kind: 'state', user: 0, room: 0, key: 'name', value: 1 },
    { kind: 'receipt', user: 2, room: 0, event: 0, type: 'm.read', thread: '' },
    { kind: 'to-device', user: 2, target: 0 },
    { kind: 'to-device', user: 2, target: 1 },
    { kind: 'account-data', user: 0, room: 0, type: 'test.a', value: 1 },
    { kind: 'account-data', user: 1, room: 0, type: 'test.a', value: 1 },
    sync(0),
    sync(1),
  ]
  for (const step of steps) await story.perform(step)
  // All but the syncs.
  expect(story.done).toBe(steps.length - 4)
  return await story.settle()
}

interface Parts {
  timeline: Json[]
  state: Json[]
  receipts: Json
}

/** The same tampering for both kinds of answers, with everything that follows the first. */
function tampering(change: (parts: Parts) => void): ReadonlyMap<number, Tamper> {
  let classicAnswers = 0
  let slidingAnswers = 0
  const classic: Tamper = (answer) => {
    if (++classicAnswers === 1) return answer
    for (const room of Object.values<Json>(answer.rooms.join)) {
      const receipt = room.ephemeral.events.find(({ type }: Json) => type === 'm.receipt')
      const parts = { timeline: room.timeline.events, state: (room.state ?? room.state_after).events, receipts: receipt?.content ?? {} }
      change(parts)
      room.timeline.events = parts.timeline
    }
    return answer
  }
  const sliding: Tamper = (answer) => {
    if (++slidingAnswers === 1) return answer
    for (const [roomId, room] of Object.entries<Json>(answer.rooms)) {
      const parts = {
        timeline: room.timeline,
        state: room.required_state,
        receipts: answer.extensions.receipts?.rooms?.[roomId]?.content ?? {},
      }
      change(parts)
      room.timeline = parts.timeline
    }
    return answer
  }
  return new Map([
    [0, classic],
    [1, sliding],
  ])
}

function expectFoundByBoth(found: readonly string[], fault: string): void {
  for (const client of ['client 0', 'client 1'])
    expect(found.filter((line) => line.startsWith(client) && line.includes(fault))).not.toEqual([])
}

test('nothing is found where nothing is wrong', async () => {
  expect(await play()).toEqual([])
})

test('a lost event is found', async () => {
  const lose = tampering((parts) => (parts.timeline = parts.timeline.filter(({ content }) => content.body !== '2')))
  expectFoundByBoth(await play(lose), 'lost')
})

test('a doubled event is found', async () => {
  const double = tampering((parts) => (parts.timeline = [...parts.timeline, ...parts.timeline.slice(-1)]))
  expectFoundByBoth(await play(double), 'twice')
})

test('a state that was not told is found', async () => {
  const keepBack = tampering((parts) => {
    parts.state.splice(0)
    parts.timeline = parts.timeline.map((event) => (event.type === 'm.room.name' ? { ...event, state_key: undefined } : event))
  })
  expectFoundByBoth(await play(keepBack), 'state of')
})

test('a private receipt that was told is found', async () => {
  const leak = tampering(({ receipts }) => {
    for (const types of Object.values<Json>(receipts)) types['m.read.private'] = types['m.read']
  })
  expectFoundByBoth(await play(leak), 'private receipt')
})

test('a message to the device that was lost or doubled is found', async () => {
  const lose: Tamper = (answer) => ({ ...answer, to_device: { events: [] } })
  const double: Tamper = (answer) => {
    const { to_device: toDevice } = answer.extensions
    return { ...answer, extensions: { ...answer.extensions, to_device: { ...toDevice, events: [...toDevice.events, ...toDevice.events] } } }
  }
  const tamper = new Map([
    [0, lose],
    [1, double],
  ])
  expectFoundByBoth(await play(tamper), 'messages to the device')
})
