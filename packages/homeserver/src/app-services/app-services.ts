import type { RoomAlias, ServerName, UserId } from '@kith/matrix-protocol'
import { hashToken } from '../accounts/devices.ts'
import type { AppServiceCalls } from './app-service-calls.ts'
import { AppService } from './app-service.ts'
import type { AppServiceRegistration } from './registration.ts'

/** The application services of this node. The operator writes them down; they do not change while it runs. */
export class AppServices {
  readonly all: readonly AppService[]
  /** Undefined where there is no way to call them. */
  readonly calls: AppServiceCalls | undefined
  readonly #byId: ReadonlyMap<string, AppService>
  readonly #byToken: ReadonlyMap<string, AppService>

  /** @throws RangeError when two services share what must tell them apart. */
  constructor(registrations: readonly AppServiceRegistration[], serverName: ServerName, calls: AppServiceCalls | undefined) {
    this.all = registrations.map((registration) => new AppService(registration, serverName))
    this.calls = calls
    this.#byId = distinct(this.all, 'id', ({ id }) => id)
    this.#byToken = distinct(this.all, 'as_token', ({ registration }) => hashToken(registration.asToken))
    distinct(this.all, 'sender_localpart', ({ senderId }) => senderId)
  }

  get(id: string | undefined): AppService | undefined {
    return id === undefined ? undefined : this.#byId.get(id)
  }

  ofToken(token: string): AppService | undefined {
    return this.#byToken.size === 0 ? undefined : this.#byToken.get(hashToken(token))
  }

  /** Gives the services that have such a user the occasion to make it. True when one says that it did. */
  async makesUser(userId: UserId, signal: AbortSignal): Promise<boolean> {
    return (await this.calls?.makesUser(this.all, userId, signal)) === true
  }

  /** The same for an alias and its room. */
  async makesAlias(alias: RoomAlias, signal: AbortSignal): Promise<boolean> {
    return (await this.calls?.makesAlias(this.all, alias, signal)) === true
  }

  /** Whether somebody else than the service, or than everybody, may not have the user. */
  keepsUserFrom(userId: UserId, service: AppService | undefined): boolean {
    return this.all.some((other) => other !== service && other.claimsUser(userId))
  }

  keepsAliasFrom(alias: RoomAlias, service: AppService | undefined): boolean {
    return this.all.some((other) => other !== service && other.claimsAlias(alias))
  }
}

function distinct(services: readonly AppService[], what: string, keyOf: (service: AppService) => string): ReadonlyMap<string, AppService> {
  const byKey = new Map(services.map((service) => [keyOf(service), service]))
  if (byKey.size < services.length) throw new RangeError(`Two application services have the same ${what}`)
  return byKey
}
