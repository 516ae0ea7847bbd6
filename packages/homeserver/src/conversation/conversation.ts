import type { UserId } from '@kith/matrix-protocol'
import type { IgnoredUsers } from '../accounts/ignored-users.ts'
import type { Log, Storage } from '../ports/index.ts'
import type { Rooms, StoredEvent } from '../rooms/index.ts'
import type { EventFilter } from '../sync/sync-filter.ts'
import type { Visibility } from '../sync/visibility.ts'
import { Aggregations, type ConversationParts } from './aggregations.ts'
import { Annotations } from './annotations.ts'
import { readRelations, type RelationsInput, type RelationsPage } from './relation-pages.ts'
import { ForgottenRooms } from './forgotten-rooms.ts'
import { filterRelated } from './related-by.ts'
import { Reports } from './reports.ts'
import { readThreads, type ThreadsInput, type ThreadsPage } from './threads.ts'

interface ConversationInput {
  readonly rooms: Rooms
  readonly ignoredUsers: IgnoredUsers
  readonly visibility: Visibility
  readonly storage: Storage
  readonly log: Log
}

/** How events of rooms belong together: replies, threads, edits, reactions. */
export class Conversation {
  readonly ignoredUsers: IgnoredUsers
  readonly aggregations: Aggregations
  readonly annotations: Annotations
  readonly reports: Reports
  readonly forgotten: ForgottenRooms
  readonly #parts: ConversationParts

  private constructor({ rooms, ignoredUsers, visibility, storage, log }: ConversationInput, forgotten: ForgottenRooms) {
    this.forgotten = forgotten
    this.reports = new Reports(storage, log)
    this.ignoredUsers = ignoredUsers
    this.#parts = { rooms, visibility, ignoredUsers }
    this.aggregations = new Aggregations(this.#parts)
    this.annotations = new Annotations(rooms)
  }

  static async open(input: ConversationInput): Promise<Conversation> {
    return new Conversation(input, await ForgottenRooms.open(input.storage, input.rooms))
  }

  async relations(input: RelationsInput): Promise<RelationsPage> {
    return readRelations(this.#parts, input)
  }

  /** Of the events those to which something relates that is of these senders and types, as far as the user may see it. */
  async relatedBy(events: readonly StoredEvent[], wanted: EventFilter['relatedBy'], userId: UserId): Promise<readonly StoredEvent[]> {
    return wanted === undefined ? events : filterRelated(this.#parts, events, wanted, userId)
  }

  async threads(input: ThreadsInput): Promise<ThreadsPage> {
    return readThreads(this.#parts, this.aggregations, input)
  }
}
