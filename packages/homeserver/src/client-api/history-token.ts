import type { RoomId } from '@kith/matrix-protocol'
import { MatrixError } from '../matrix-error.ts'
import { isHistoryToken } from '../rooms/index.ts'
import { parseSyncToken } from '../sync/sync-token.ts'
import type { Api } from './endpoint.ts'

/** Tokens of history as they are; a token of sync stands for the end of what had come by then. */
export async function historyToken(api: Api, roomId: RoomId, text: string | null): Promise<string | undefined> {
  if (text === null || text === '') return undefined
  if (isHistoryToken(text)) return text
  const token = parseSyncToken(text)
  if (token === undefined) throw new MatrixError(400, 'M_INVALID_PARAM', 'Not a pagination token')
  const [last] = (await api.rooms.timelineSince(roomId, 0, 1, token.position)).events
  return last === undefined ? (await api.rooms.timelineSince(roomId, 0, 0, token.position)).prevBatch : api.rooms.tokensAround(last).after
}
