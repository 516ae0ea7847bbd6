import { isJsonObject, type JsonObject, type RoomAlias, type UserId } from '@kith/matrix-protocol'
import { limits } from '../limits.ts'
import type { AppServiceAnswer, AppServiceClient } from '../ports/app-service-client.ts'
import type { AppService } from './app-service.ts'

/** What this server asks of application services. @see https://spec.matrix.org/latest/application-service-api/ */
export class AppServiceCalls {
  readonly #client: AppServiceClient

  constructor(client: AppServiceClient) {
    this.#client = client
  }

  /** Undefined when the service has no address. */
  async call(
    service: AppService,
    method: 'GET' | 'PUT' | 'POST',
    path: string,
    body: JsonObject | undefined,
    signal: AbortSignal,
  ): Promise<AppServiceAnswer | undefined> {
    const { url, hsToken } = service.registration
    if (url === undefined) return undefined
    const whole = new URL(`${url.replace(/\/+$/, '')}/_matrix/app/v1${path}`)
    return this.#client.request({ method, url: whole, token: hsToken, ...(body === undefined ? {} : { body }) }, signal)
  }

  /** Whether one of the services that have such a user says that it made it. */
  async makesUser(services: readonly AppService[], userId: UserId, signal: AbortSignal): Promise<boolean> {
    return this.#firstTaken(
      services.filter((service) => service.hasUser(userId)),
      `/users/${encodeURIComponent(userId)}`,
      signal,
    )
  }

  async makesAlias(services: readonly AppService[], alias: RoomAlias, signal: AbortSignal): Promise<boolean> {
    return this.#firstTaken(
      services.filter((service) => service.hasAlias(alias)),
      `/rooms/${encodeURIComponent(alias)}`,
      signal,
    )
  }

  /** What a service says of a network; undefined when it says nothing of the right shape. */
  async protocol(service: AppService, name: string, signal: AbortSignal): Promise<JsonObject | undefined> {
    const answer = await this.call(service, 'GET', `/thirdparty/protocol/${encodeURIComponent(name)}`, undefined, signal)
    return answer?.kind === 'answered' && answer.status === 200 && isJsonObject(answer.body) ? answer.body : undefined
  }

  /** What all of the services find, asked at the same time. */
  async lookUp(services: readonly AppService[], path: string, query: URLSearchParams, signal: AbortSignal): Promise<JsonObject[]> {
    const text = query.size === 0 ? '' : `?${query}`
    const answers = await Promise.all(
      services.map(async (service) => this.call(service, 'GET', `/thirdparty/${path}${text}`, undefined, signal)),
    )
    const found = answers.flatMap((answer): unknown[] =>
      answer?.kind === 'answered' && answer.status === 200 && Array.isArray(answer.body) ? answer.body : [],
    )
    return found.filter(isJsonObject).slice(0, limits.implementation.appServiceLookUpResultsMax)
  }

  async #firstTaken(services: readonly AppService[], path: string, signal: AbortSignal): Promise<boolean> {
    for (const service of services) {
      const answer = await this.call(service, 'GET', path, undefined, signal)
      if (answer?.kind === 'answered' && answer.status === 200) return true
    }
    return false
  }
}
