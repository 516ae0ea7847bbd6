import type { EventId, RoomId } from '@kith/matrix-protocol'
import { limits } from '../limits.ts'
import type { StoredEvent } from '../rooms/index.ts'
import { waitBounded } from '../wait-bounded.ts'
import type { Api } from './endpoint.ts'

interface HistoryInput {
  readonly from: string | undefined
  readonly direction: 'b' | 'f'
  readonly limit: number
}

/** A page of a room's history. Where events are missing here, other servers are asked for them, for a bounded time. */
export async function readHistory(
  api: Api,
  roomId: RoomId,
  input: HistoryInput,
  signal: AbortSignal,
): Promise<{ readonly events: readonly StoredEvent[]; readonly end: string | undefined }> {
  const events: StoredEvent[] = []
  let from = input.from
  if (input.direction === 'b' && from !== undefined) await fillGapAbove(api, roomId, from, signal)
  for (let attempt = 0; ; attempt++) {
    const page = await api.rooms.page(roomId, { ...input, from, limit: input.limit - events.length })
    events.push(...page.events)
    from = page.end ?? from
    if (page.gapAt === undefined) return { events, end: page.end }
    const isFull = events.length >= input.limit || attempt >= limits.implementation.historyGapsFilledMax
    // The request that goes on from the token tries the gap again, and after that what is stored beyond it.
    if (isFull || !(await fillGap(api, roomId, page.gapAt, signal))) return { events, end: from }
  }
}

/** The page before this one may have ended at a gap: then what is missing comes next. */
async function fillGapAbove(api: Api, roomId: RoomId, from: string, signal: AbortSignal): Promise<void> {
  const [above] = (await api.rooms.page(roomId, { from, direction: 'f', limit: 1 })).events
  if (above === undefined) return
  const { gapAt } = await api.rooms.page(roomId, { from: api.rooms.tokensAround(above).after, direction: 'b', limit: 1 })
  if (gapAt !== undefined) await fillGap(api, roomId, gapAt, signal)
}

/** Whether events came. */
async function fillGap(api: Api, roomId: RoomId, gapAt: readonly EventId[], signal: AbortSignal): Promise<boolean> {
  const state = api.rooms.state(roomId)
  const others = [...(state?.joinedServers() ?? [])].filter((server) => server !== api.serverName)
  if (others.length === 0) return false
  const { backfillPageSize, backfillPatienceMs } = limits.implementation
  let count = 0
  await waitBounded(api.ports.clock, backfillPatienceMs, signal, async (bounded) => {
    count = await api.federation.backfill(roomId, gapAt, backfillPageSize, bounded)
  })
  return count > 0
}
