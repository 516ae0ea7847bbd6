import { type JsonObject, type JsonValue, parseRoomAlias, type RoomAlias, type RoomId } from '@kith/matrix-protocol'
import { limits } from '../limits.ts'
import { MatrixError } from '../matrix-error.ts'
import type { Api } from './endpoint.ts'
import { resolveAlias } from './endpoints/directory.ts'

/**
 * Every alias that an `m.room.canonical_alias` newly names must exist and lead to the room.
 * @throws MatrixError M_INVALID_PARAM for what is no alias, M_BAD_ALIAS for one that leads elsewhere, nowhere, or to a server that is away.
 * @see https://spec.matrix.org/latest/client-server-api/#mroomcanonical_alias
 */
export async function checkCanonicalAlias(
  api: Api,
  roomId: RoomId,
  old: JsonObject | undefined,
  content: JsonObject,
  signal: AbortSignal,
): Promise<void> {
  const known = new Set(old === undefined ? [] : namedAliases(old))
  for (const text of namedAliases(content)) {
    if (known.has(text)) continue
    const alias = parseRoomAlias(text)
    if (alias === undefined) throw new MatrixError(400, 'M_INVALID_PARAM', 'Not a room alias')
    if ((await roomOf(api, alias, signal)) !== roomId) throw new MatrixError(400, 'M_BAD_ALIAS', `${alias} does not lead to this room`)
  }
}

/** Whatever stands where an alias should. An empty or missing one names none. */
function namedAliases(content: JsonObject): Set<JsonValue> {
  const { alias = '', alt_aliases: others = [] } = content
  const list: readonly JsonValue[] = Array.isArray(others) ? others : [others]
  if (list.length > limits.implementation.aliasesPerRoomMax) throw new MatrixError(400, 'M_INVALID_PARAM', 'Too many aliases')
  return new Set([...(alias === '' || alias === null ? [] : [alias]), ...list])
}

async function roomOf(api: Api, alias: RoomAlias, signal: AbortSignal): Promise<RoomId | undefined> {
  try {
    return (await resolveAlias(api, alias, signal)).roomId
  } catch (error) {
    if (error instanceof MatrixError) return undefined
    throw error
  }
}
