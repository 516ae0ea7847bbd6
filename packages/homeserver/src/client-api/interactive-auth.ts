import { encodeBase64Url } from '@kith/matrix-protocol'
import type { Accounts } from '../accounts/accounts.ts'
import { limits } from '../limits.ts'
import type { Clock } from '../ports/clock.ts'
import type { Random } from '../ports/random.ts'
import { MatrixError } from '../matrix-error.ts'
import type { AuthData } from './schemas.ts'

export type InteractiveStage = 'm.login.dummy' | 'm.login.password'

interface InteractiveSession {
  readonly purpose: string
  readonly expiresAt: number
}

/**
 * User-Interactive Authentication with one stage. Sessions are in memory and few; losing one only means to begin anew.
 * Spec: Client-Server API, User-Interactive Authentication API.
 */
export class InteractiveAuth {
  readonly #accounts: Accounts
  readonly #clock: Clock
  readonly #random: Random
  readonly #sessions = new Map<string, InteractiveSession>()

  constructor(accounts: Accounts, clock: Clock, random: Random) {
    this.#accounts = accounts
    this.#clock = clock
    this.#random = random
  }

  /** Returns once the stage is passed. @throws MatrixError 401 with the flows otherwise. */
  require(auth: AuthData, wanted: { readonly purpose: string; readonly stage: InteractiveStage; readonly userId?: string }): void {
    if (auth?.type === undefined) throw this.#challenge(wanted.purpose, wanted.stage)
    const session = auth.session === undefined ? undefined : this.#sessions.get(auth.session)
    if (
      auth.session !== undefined &&
      (session === undefined || session.purpose !== wanted.purpose || session.expiresAt < this.#clock.now())
    ) {
      throw this.#challenge(wanted.purpose, wanted.stage, { errcode: 'M_UNKNOWN', error: 'Unknown or expired session' })
    }
    if (auth.type !== wanted.stage) {
      throw this.#challenge(wanted.purpose, wanted.stage, { errcode: 'M_UNRECOGNIZED', error: 'This stage is not offered' }, auth.session)
    }
    if (wanted.stage === 'm.login.password' && !this.#isPasswordRight(auth, wanted.userId)) {
      throw this.#challenge(wanted.purpose, wanted.stage, { errcode: 'M_FORBIDDEN', error: 'Wrong password' }, auth.session)
    }
    if (auth.session !== undefined) this.#sessions.delete(auth.session)
  }

  #isPasswordRight(auth: NonNullable<AuthData>, expected: string | undefined): boolean {
    const name = auth.identifier?.type === 'm.id.user' ? auth.identifier.user : auth.user
    const userId = name === undefined ? undefined : this.#accounts.localUserId(name)
    return userId !== undefined && userId === expected && auth.password !== undefined && this.#accounts.hasPassword(userId, auth.password)
  }

  #challenge(
    purpose: string,
    stage: InteractiveStage,
    problem?: { readonly errcode: string; readonly error: string },
    current?: string,
  ): MatrixError {
    const session = current ?? this.#begin(purpose)
    const members = { session, flows: [{ stages: [stage] }], params: {}, completed: [] }
    return new UnauthenticatedStage(members, problem)
  }

  #begin(purpose: string): string {
    const now = this.#clock.now()
    for (const [name, session] of this.#sessions) if (session.expiresAt < now) this.#sessions.delete(name)
    if (this.#sessions.size >= limits.implementation.interactiveSessionsMax) {
      const [oldest] = this.#sessions.keys()
      if (oldest !== undefined) this.#sessions.delete(oldest)
    }
    const name = encodeBase64Url(this.#random.bytes(18))
    this.#sessions.set(name, { purpose, expiresAt: now + limits.implementation.interactiveSessionLifetimeMs })
    return name
  }
}

/** A challenge has an errcode only when a stage was tried and failed. */
class UnauthenticatedStage extends MatrixError {
  readonly #problem: { readonly errcode: string; readonly error: string } | undefined

  constructor(members: Readonly<Record<string, unknown>>, problem: { readonly errcode: string; readonly error: string } | undefined) {
    super(401, problem?.errcode ?? 'M_UNAUTHORIZED', problem?.error ?? 'Authentication is needed', members)
    this.#problem = problem
  }

  override toResponse(): Response {
    return Response.json({ ...this.members, ...this.#problem }, { status: 401 })
  }
}
