import {
  type AuthContext,
  type AuthEvent,
  authEventIdsOf,
  authorise,
  authoriseByAuthEvents,
  type AuthOutcome,
  type AuthState,
  authTypesFor,
  stateKeyOf,
} from '@kith/matrix-protocol'
import { toAuthEvent } from './room.ts'
import type { RoomDraft } from './room-draft.ts'
import type { StateRoot } from './state-trie.ts'
import type { StoredEvent } from './stored-event.ts'

/** The auth rules for one event. */
export class RulesFor {
  readonly #draft: RoomDraft
  readonly #candidate: AuthEvent
  readonly #cited: readonly AuthEvent[]
  readonly #context: AuthContext

  private constructor(draft: RoomDraft, candidate: AuthEvent, cited: readonly AuthEvent[], context: AuthContext) {
    this.#draft = draft
    this.#candidate = candidate
    this.#cited = cited
    this.#context = context
  }

  static async event(draft: RoomDraft, event: StoredEvent): Promise<RulesFor> {
    const cited = (await draft.events.getMany(authEventIdsOf(event.pdu))).filter((found) => found !== undefined).map(toAuthEvent)
    return new RulesFor(draft, { ...toAuthEvent(event), rejected: false }, cited, await draft.authContext())
  }

  byAuthEvents(): AuthOutcome {
    return authoriseByAuthEvents(this.#candidate, this.#cited, this.#draft.room.version, this.#context)
  }

  async byState(root: StateRoot): Promise<AuthOutcome> {
    const { version, row } = this.#draft.room
    const state = await this.#draft.stateForRules(root, authTypesFor(this.#candidate.pdu, version))
    return authorise(this.#candidate, row.partial === undefined ? state : this.#withCitedMembers(state), version, this.#context)
  }

  /** While the state lacks members, those that the event cites stand in for them. */
  #withCitedMembers(state: AuthState): AuthState {
    const members = this.#cited.filter(({ pdu, rejected }) => pdu.type === 'm.room.member' && !rejected)
    const byKey = new Map(members.map((member) => [stateKeyOf('m.room.member', member.pdu.state_key ?? ''), member]))
    return (type, stateKey) => state(type, stateKey) ?? byKey.get(stateKeyOf(type, stateKey))
  }
}
