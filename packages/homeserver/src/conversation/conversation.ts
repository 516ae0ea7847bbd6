import { IgnoredUsers } from '../accounts/ignored-users.ts'
import type { AccountData } from '../accounts/account-data.ts'
import type { Rooms } from '../rooms/index.ts'
import { Visibility } from '../sync/visibility.ts'
import { Aggregations, type ConversationParts } from './aggregations.ts'
import { Annotations } from './annotations.ts'
import { readRelations, type RelationsInput, type RelationsPage } from './relation-pages.ts'
import { readThreads, type ThreadsInput, type ThreadsPage } from './threads.ts'

/** How events of rooms belong together: replies, threads, edits, reactions. */
export class Conversation {
  readonly ignoredUsers: IgnoredUsers
  readonly aggregations: Aggregations
  readonly annotations: Annotations
  readonly #parts: ConversationParts

  constructor({ rooms, accountData }: { readonly rooms: Rooms; readonly accountData: AccountData }) {
    this.ignoredUsers = new IgnoredUsers(accountData)
    this.#parts = { rooms, visibility: new Visibility(rooms), ignoredUsers: this.ignoredUsers }
    this.aggregations = new Aggregations(this.#parts)
    this.annotations = new Annotations(rooms)
  }

  async relations(input: RelationsInput): Promise<RelationsPage> {
    return readRelations(this.#parts, input)
  }

  async threads(input: ThreadsInput): Promise<ThreadsPage> {
    return readThreads(this.#parts, this.aggregations, input)
  }
}
