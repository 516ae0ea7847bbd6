import { resolveState, roomVersion } from '@kith/matrix-protocol'
import { resolveStateNaively } from '@kith/testkit/naive-state-resolution'
import { type Bench, type Measurement, milliseconds, percentile } from './bench.ts'
import { conflictedRoom } from './load/conflicted-room.ts'

const conflictedEvents = 1_000
const versions = ['1', '2', '10', '11', '12']
const runs = 20
const warmUps = 5

/** Two branches of a room that disagree about a thousand events. */
export const stateResolutionBench: Bench = {
  name: 'state-resolution',
  run() {
    return Promise.resolve(versions.map(measureVersion))
  },
}

function measureVersion(id: string): Measurement {
  const version = roomVersion(id)
  const what = `state of ${conflictedEvents.toLocaleString('en')} conflicted events resolved, room version ${id} (median of ${runs})`
  if (version === undefined) return { what, result: 'not a version that is known here', limit: '' }
  const { states, eventOf, conflicts } = conflictedRoom(version, conflictedEvents)
  if (conflicts !== conflictedEvents) throw new Error(`the generated room has ${conflicts} conflicted events`)
  const samples: number[] = []
  let resolved = new Map()
  for (let run = -warmUps; run < runs; run++) {
    const startedAt = performance.now()
    resolved = resolveState(version, states, { event: eventOf })
    if (run >= 0) samples.push(performance.now() - startedAt)
  }
  const startedAt = performance.now()
  const naively = resolveStateNaively(version, states, eventOf)
  const naive = performance.now() - startedAt
  if (naively.size !== resolved.size || [...naively].some(([key, eventId]) => resolved.get(key) !== eventId))
    throw new Error(`the resolvers differ in version ${id}`)
  return { what, result: milliseconds(percentile(samples, 0.5)), limit: `${milliseconds(naive)} by the naive resolver, once` }
}
