import type { Pdu } from '../events/pdu.ts'
import type { UserId } from '../ids/ids.ts'
import { type JsonObject, ownString } from '../json/json-value.ts'
import type { RoomVersion } from '../room-versions/room-version.ts'
import type { AuthContext, AuthEvent, AuthState } from './auth-event.ts'
import { type PowerLevelAction, powerLevelOf, requiredPowerForAction } from './power-levels.ts'

/** The room as the rules look at it: the state that an event is checked against, with the questions that they ask of it. */
export class RoomForRules {
  readonly version: RoomVersion
  readonly createEvent: AuthEvent
  readonly context: AuthContext
  readonly #state: AuthState
  readonly powerLevels: JsonObject | undefined

  constructor(state: AuthState, createEvent: AuthEvent, version: RoomVersion, context: AuthContext) {
    this.version = version
    this.createEvent = createEvent
    this.context = context
    this.#state = state
    this.powerLevels = state('m.room.power_levels', '')?.pdu.content
  }

  event(type: string, stateKey: string): Pdu | undefined {
    return this.#state(type, stateKey)?.pdu
  }

  membershipOf(userId: string): string | undefined {
    return ownString(this.event('m.room.member', userId)?.content, 'membership')
  }

  /** Whoever was never told otherwise needs an invite. */
  get joinRule(): string {
    return ownString(this.event('m.room.join_rules', '')?.content, 'join_rule') ?? 'invite'
  }

  powerOf(userId: string): number {
    return powerLevelOf(userId as UserId, this.powerLevels, this.createEvent.pdu, this.version)
  }

  may(userId: string, action: PowerLevelAction): boolean {
    return this.powerOf(userId) >= requiredPowerForAction(action, this.powerLevels, this.version)
  }
}
