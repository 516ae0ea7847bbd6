import { encodeBase64Url, type UserId } from '@kith/matrix-protocol'
import type { Accounts } from '../accounts/accounts.ts'
import { limits } from '../limits.ts'
import { MatrixError } from '../matrix-error.ts'
import type { Clock } from '../ports/clock.ts'
import type { Random } from '../ports/random.ts'
import { type Caller, nameOfCaller, pageOf } from './caller.ts'
import type { Passwords } from './passwords.ts'
import type { RateLimits } from './rate-limits.ts'
import type { AuthData } from './schemas.ts'

const interactiveStages = ['m.login.dummy', 'm.login.password', 'm.login.registration_token'] as const
export type InteractiveStage = (typeof interactiveStages)[number]

export function parseInteractiveStage(text: string): InteractiveStage | undefined {
  return interactiveStages.find((stage) => stage === text)
}

export interface Wanted {
  /** What is to be done: a session passed for one thing opens no other. */
  readonly purpose: string
  /** All must be passed, in any order. */
  readonly stages: readonly InteractiveStage[]
  /** Who must prove to be themselves; absent where anybody with a password may. */
  readonly userId?: UserId
}

/** Undefined where nobody had to prove who they are. */
export type Proven = UserId | undefined

interface InteractiveSession extends Wanted {
  /** Who began it. */
  readonly begunBy: string
  readonly expiresAt: number
  readonly completed: Set<InteractiveStage>
  proven: Proven
}

interface Problem {
  readonly errcode: string
  readonly error: string
}

interface InteractiveAuthParts {
  readonly accounts: Accounts
  readonly passwords: Passwords
  readonly rates: Pick<RateLimits, 'registrationTokenChecks'>
  readonly clock: Clock
  readonly random: Random
}

/**
 * User-Interactive Authentication. Sessions are in memory, few, and end; losing one only means to begin anew. Who begins too many loses
 * their own.
 * @see https://spec.matrix.org/latest/client-server-api/#user-interactive-authentication-api
 */
export class InteractiveAuth {
  readonly #parts: InteractiveAuthParts
  readonly #sessions = new Map<string, InteractiveSession>()

  constructor(parts: InteractiveAuthParts) {
    this.#parts = parts
  }

  /** Returns once all stages are passed, with who has proven to be themselves. @throws MatrixError 401 with the flows otherwise. */
  require(auth: AuthData, wanted: Wanted, caller: Caller): Proven {
    if (auth?.type === undefined && auth?.session === undefined) throw this.#challenge(this.#begin(wanted, caller))
    const session = auth.session === undefined ? this.#begin(wanted, caller) : this.#session(auth.session, wanted)
    if (session === undefined)
      throw this.#challenge(this.#begin(wanted, caller), { errcode: 'M_UNKNOWN', error: 'Unknown or expired session' })
    const [name, passing] = session
    // Without a type the client says that it has passed the stages elsewhere: on the fallback page.
    if (auth.type !== undefined) {
      const problem = this.#attempt(passing, auth.type, auth, caller)
      if (problem !== undefined) throw this.#challenge(session, problem)
    }
    if (!isPassed(passing)) throw this.#challenge(session)
    this.#sessions.delete(name)
    return passing.proven
  }

  /** For the fallback page: tries one stage of a session. Undefined when there is nothing to try there. */
  attempt(name: string, type: InteractiveStage, auth: NonNullable<AuthData>, caller: Caller): 'passed' | 'failed' | undefined {
    const session = this.#sessionOfPage(name, type)
    if (session === undefined) return undefined
    return this.#attempt(session, type, auth, caller) === undefined ? 'passed' : 'failed'
  }

  hasPage(name: string, type: InteractiveStage): boolean {
    return this.#sessionOfPage(name, type) !== undefined
  }

  /** What is wrong with the attempt; undefined when the stage is passed. */
  #attempt(session: InteractiveSession, type: string, auth: NonNullable<AuthData>, caller: Caller): Problem | undefined {
    const stage = session.stages.find((candidate) => candidate === type)
    switch (stage) {
      case undefined:
        return { errcode: 'M_UNRECOGNIZED', error: 'This stage is not offered' }
      case 'm.login.dummy':
        break
      case 'm.login.password': {
        const userId = this.#parts.passwords.userOf(auth, caller)
        if (userId === undefined || (session.userId !== undefined && session.userId !== userId))
          return { errcode: 'M_FORBIDDEN', error: 'Wrong password' }
        session.proven = userId
        break
      }
      case 'm.login.registration_token':
        if (!this.#isRegistrationToken(auth.token, caller))
          return { errcode: 'M_UNAUTHORIZED', error: 'This is no valid registration token' }
        break
    }
    session.completed.add(stage)
    return undefined
  }

  /** @throws MatrixError M_LIMIT_EXCEEDED after too many wrong ones. */
  #isRegistrationToken(token: string | undefined, caller: Caller): boolean {
    const { accounts, rates } = this.#parts
    if (token === undefined) return false
    const name = nameOfCaller(caller)
    const shared = pageOf(caller)
    rates.registrationTokenChecks.check(name, shared)
    if (accounts.isRegistrationToken(token)) return true
    rates.registrationTokenChecks.count(name, shared)
    return false
  }

  #session(name: string, wanted?: Wanted): readonly [string, InteractiveSession] | undefined {
    const session = this.#sessions.get(name)
    if (session === undefined || session.expiresAt < this.#parts.clock.now()) return undefined
    // What one user has proven lets no other one through.
    if (wanted !== undefined && (session.purpose !== wanted.purpose || session.userId !== wanted.userId)) return undefined
    return [name, session]
  }

  /**
   * Whoever types a password into the page cannot see who began the session, and whoever began it goes on with what was proven. So a
   * password is asked for only where a token of that same user began it: a stranger has to be given the password itself.
   */
  #sessionOfPage(name: string, type: InteractiveStage): InteractiveSession | undefined {
    const session = this.#session(name)?.[1]
    return type === 'm.login.password' && session?.userId === undefined ? undefined : session
  }

  #challenge([name, session]: readonly [string, InteractiveSession], problem?: Problem): MatrixError {
    const { stages, completed } = session
    return new UnauthenticatedStage({ session: name, flows: [{ stages }], params: {}, completed: [...completed] }, problem)
  }

  #begin(wanted: Wanted, caller: Caller): readonly [string, InteractiveSession] {
    const now = this.#parts.clock.now()
    for (const [name, { expiresAt }] of this.#sessions) {
      if (expiresAt >= now) break
      this.#sessions.delete(name)
    }
    if (this.#sessions.size >= limits.implementation.interactiveSessionsMax) this.#dropOne()
    const name = encodeBase64Url(this.#parts.random.bytes(18))
    const expiresAt = now + limits.implementation.interactiveSessionLifetimeMs
    const session: InteractiveSession = { ...wanted, begunBy: nameOfCaller(caller), expiresAt, completed: new Set(), proven: undefined }
    this.#sessions.set(name, session)
    return [name, session]
  }

  /** The oldest of whoever has most. */
  #dropOne(): void {
    const groups = [...Map.groupBy(this.#sessions, ([, { begunBy }]) => begunBy).values()]
    const [oldest] = groups.reduce((most, group) => (group.length > most.length ? group : most), [])
    if (oldest !== undefined) this.#sessions.delete(oldest[0])
  }
}

function isPassed({ stages, completed }: InteractiveSession): boolean {
  return stages.every((stage) => completed.has(stage))
}

/** A challenge has an errcode only when a stage was tried and failed. */
class UnauthenticatedStage extends MatrixError {
  readonly #problem: Problem | undefined

  constructor(members: Readonly<Record<string, unknown>>, problem: Problem | undefined) {
    super(401, problem?.errcode ?? 'M_UNAUTHORIZED', problem?.error ?? 'Authentication is needed', members)
    this.#problem = problem
  }

  override toResponse(): Response {
    return Response.json({ ...this.members, ...this.#problem }, { status: 401 })
  }
}
