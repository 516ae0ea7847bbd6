import type { JsonObject, UserId } from '@kith/matrix-protocol'
import { limits } from '../../limits.ts'
import type { StoredEvent, TimelineSlice } from '../../rooms/index.ts'
import type { SentRoom } from './connection.ts'
import type { RoomFacts } from './room-facts.ts'
import type { StateNews } from './state-news.ts'
import type { WantedRoom } from './wanted-state.ts'

export const nobody: ReadonlySet<UserId> = new Set()

export const nothingKnown = {
  position: 0,
  snapshot: undefined,
  unbroken: 0,
  wantedName: '',
  wants: () => false,
  members: nobody,
  isDirect: false,
  notificationCount: 0,
  highlightCount: 0,
} satisfies Partial<SentRoom>

/** What the client knows of a joined room's state after an answer with these facts. */
export function sentOf(
  facts: RoomFacts,
  wanted: WantedRoom,
  members: ReadonlySet<UserId>,
  told: readonly StoredEvent[],
): Pick<SentRoom, 'membership' | 'memberEventId' | 'position' | 'snapshot' | 'wantedName' | 'wants' | 'members'> {
  return {
    membership: 'join',
    memberEventId: facts.member?.eventId,
    position: facts.activity.changedAt,
    snapshot: facts.activity.snapshot,
    wantedName: wanted.state.name,
    wants: (type, stateKey) => wanted.state.has(type, stateKey),
    members: rememberedMembers(members, told),
  }
}

/** The newest events that the client has in one piece after this answer. */
export function unbrokenAfter(known: SentRoom | undefined, slice: TimelineSlice, limit: number, isExpanded: boolean): number {
  if (known === undefined || isExpanded || slice.limited) return slice.limited ? limit : Number.POSITIVE_INFINITY
  return known.unbroken + slice.events.length
}

function rememberedMembers(sent: ReadonlySet<UserId>, told: readonly StoredEvent[]): ReadonlySet<UserId> {
  const members = told.filter(({ pdu }) => pdu.type === 'm.room.member').map(({ pdu }) => pdu.state_key as UserId)
  if (members.length === 0) return sent
  // The latest are kept; whoever is forgotten is sent again when needed.
  return new Set([...sent, ...members].slice(-limits.implementation.slidingMembersRememberedMax))
}

/** @param state what changed in it; undefined: everything is told. */
export function joinedFacts(facts: RoomFacts, wanted: WantedRoom, state: StateNews | undefined): JsonObject {
  const isWhole = state === undefined
  const heroes = wanted.heroes && facts.heroes.length > 0 && (isWhole || state.membersChanged || state.nameChanged)
  return {
    ...(isWhole ? { initial: true } : {}),
    membership: 'join',
    ...(isWhole || state.membersChanged ? { joined_count: facts.joinedCount, invited_count: facts.invitedCount } : {}),
    ...(isWhole ? (facts.name === undefined ? {} : { name: facts.name }) : state.nameChanged ? { name: facts.name ?? null } : {}),
    ...(isWhole
      ? facts.avatar === undefined
        ? {}
        : { avatar: facts.avatar }
      : state.avatarChanged
        ? { avatar: facts.avatar ?? null }
        : {}),
    ...(heroes ? { heroes: [...facts.heroes] } : {}),
  }
}
