import { type JsonObject, localpartOf, ownString, type UserId } from '@kith/matrix-protocol'
import { limits } from '../limits.ts'
import type { Rooms, RoomState } from '../rooms/index.ts'
import { isWorldReadable } from './room-summary.ts'

export interface FoundUser {
  readonly user_id: UserId
  readonly display_name?: string
  readonly avatar_url?: string
}

export interface UserSearchInput {
  readonly searcher: UserId
  readonly term: string
  readonly limit: number
  /** Users of this server, with their profiles. */
  readonly local: Iterable<readonly [UserId, JsonObject]>
}

/**
 * Users whose name or id has all words of the term, best first: those of this server, and whoever is in a room with the searcher or in one
 * that anybody may enter or read. Looks at what the rooms hold in memory, at no more than a bounded number of members.
 * @see https://spec.matrix.org/latest/client-server-api/#user-directory
 */
export function searchUsers(rooms: Rooms, input: UserSearchInput): { readonly results: readonly FoundUser[]; readonly limited: boolean } {
  // Each word is looked for in the names of all members.
  const words = normal(input.term)
    .split(/\s+/u)
    .filter((word) => word !== '')
    .slice(0, limits.implementation.searchTermWordsMax)
  const found = new Map<UserId, FoundUser & { readonly rank: number }>()
  const consider = (userId: UserId, profile: JsonObject): void => {
    const known = found.get(userId)
    const [displayName, avatarUrl] = [ownString(profile, 'displayname'), ownString(profile, 'avatar_url')]
    const rank = rankOf(words, userId, displayName)
    if (rank === undefined || (known !== undefined && known.rank >= rank)) return
    const named = displayName === undefined ? {} : { display_name: displayName }
    found.set(userId, { user_id: userId, ...named, ...(avatarUrl === undefined ? {} : { avatar_url: avatarUrl }), rank })
  }
  const own = new Map(input.local)
  for (const [userId, profile] of own) consider(userId, profile)
  let looked = 0
  for (const roomId of rooms.roomIds()) {
    const state = rooms.state(roomId)
    if (state === undefined || !(state.membershipOf(input.searcher) === 'join' || isOpenToAll(state))) continue
    for (const { userId, event } of state.members('join')) {
      if (++looked > limits.implementation.userSearchMembersMax) break
      // What users of this server are called in one room or another is told by their profiles.
      if (!own.has(userId)) consider(userId, event.pdu.content)
    }
  }
  const sorted = [...found.values()].sort((a, b) => b.rank - a.rank || profileOf(b) - profileOf(a) || (a.user_id < b.user_id ? -1 : 1))
  return { results: sorted.slice(0, input.limit).map(({ rank: _rank, ...user }) => user), limited: sorted.length > input.limit }
}

function isOpenToAll(state: RoomState): boolean {
  return isWorldReadable(state) || ownString(state.get('m.room.join_rules', '')?.pdu.content, 'join_rule') === 'public'
}

/** Higher is better; undefined: not all words are there. */
function rankOf(words: readonly string[], userId: UserId, displayName: string | undefined): number | undefined {
  const name = normal(displayName ?? '')
  const id = userId.toLowerCase()
  if (words.length === 0 || !words.every((word) => name.includes(word) || id.includes(word))) return undefined
  const term = words.join(' ')
  const localpart = localpartOf(userId).toLowerCase()
  if (term === id || term === name || term === localpart || term === `@${localpart}`) return 4
  if (name.startsWith(term) || localpart.startsWith(term) || id.startsWith(term)) return 3
  if (words.every((word) => name.split(/\s+/u).some((part) => part.startsWith(word)))) return 2
  return words.every((word) => name.includes(word) || localpart.includes(word)) ? 1 : 0
}

function profileOf({ display_name: name, avatar_url: avatar }: FoundUser): number {
  return (name === undefined ? 0 : 1) + (avatar === undefined ? 0 : 1)
}

function normal(text: string): string {
  return text.normalize('NFKC').toLowerCase().trim()
}
