import type { Observable } from '../observable.ts'
import type { Contact } from './contact-link.ts'
import type { PutOutcome } from './outbox.ts'
import type { NetworkState } from './network-state.ts'
import type { TimelineItem } from './timeline-items.ts'

/** Whom the chat belongs to. */
export interface Self {
  readonly userId: string
  readonly serverName: string
  readonly displayName: string
}

export interface RoomSummary {
  readonly roomId: string
  readonly name: string
  /** For rooms of two: the other person. */
  readonly peerId: string | undefined
  readonly encrypted: boolean
  readonly unread: number
  readonly lastActivityMs: number
  readonly preview: string
  /** Nobody else has joined yet, but somebody is asked to. */
  readonly awaitingInvited: boolean
  /** The room that took the place of this one, which was closed. */
  readonly movedTo: string | undefined
}

export interface Invite {
  readonly roomId: string
  readonly name: string
  readonly inviterId: string
  readonly inviterName: string
  readonly direct: boolean
}

export interface RoomList {
  readonly invites: readonly Invite[]
  readonly rooms: readonly RoomSummary[]
}

export interface Member {
  readonly userId: string
  readonly displayName: string
  readonly membership: 'join' | 'invite'
  readonly self: boolean
}

export interface RoomTimeline {
  readonly items: readonly TimelineItem[]
  /** There is older history to ask for. */
  readonly hasOlder: boolean
  readonly loadingOlder: boolean
  /** Why older history could not be read. */
  readonly olderFailed: string | undefined
  /** Changes when the timeline was torn down and built anew. */
  readonly generation: number
}

/** One opened room. */
export interface RoomView {
  readonly roomId: string
  readonly timeline: Observable<RoomTimeline>
  readonly members: Observable<readonly Member[]>
  /** Names of the others who are writing. */
  readonly typing: Observable<readonly string[]>
  readonly loadOlder: () => Promise<void>
  /** What is loaded has been seen. */
  readonly markRead: () => void
  readonly setTyping: (typing: boolean) => void
  readonly send: (text: string) => Promise<PutOutcome>
  readonly retry: (transactionId: string) => Promise<void>
  readonly drop: (transactionId: string) => Promise<void>
}

export type ChatOutcome = { readonly kind: 'done'; readonly roomId: string } | { readonly kind: 'failed'; readonly reason: string }

/** The chat client as the page sees it. */
export interface Chat {
  readonly self: Observable<Self>
  readonly rooms: Observable<RoomList>
  /** `reconnecting`: the node does not answer at the moment. */
  readonly connection: Observable<'connected' | 'reconnecting'>
  readonly openRoom: (roomId: string) => RoomView | undefined
  /** Opens the chat with somebody, or begins it. */
  readonly startDirectChat: (contact: Contact) => Promise<ChatOutcome>
  readonly acceptInvite: (roomId: string) => Promise<ChatOutcome>
  /** Goes along to the room that took the place of a closed one, joining it where needed. */
  readonly followRoom: (roomId: string) => Promise<ChatOutcome>
  readonly declineInvite: (roomId: string) => Promise<ChatOutcome>
  readonly leaveRoom: (roomId: string) => Promise<ChatOutcome>
  readonly inviteTo: (roomId: string, contact: Contact) => Promise<ChatOutcome>
  readonly setDisplayName: (displayName: string) => Promise<ChatOutcome>
  /** The link that others open to reach this person. */
  readonly contactLink: () => Promise<string>
  readonly watchNetwork: (listener: (state: NetworkState | undefined) => void) => () => void
  readonly addRelay: (address: string) => Promise<{ readonly kind: 'done' } | { readonly kind: 'failed'; readonly reason: string }>
}
