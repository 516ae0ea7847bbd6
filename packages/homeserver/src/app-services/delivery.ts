import { encodeBase64Url, type JsonObject } from '@kith/matrix-protocol'
import { growingWaitMs } from '../growing-wait.ts'
import type { ToDevice } from '../keys/to-device.ts'
import { limits } from '../limits.ts'
import type { Log } from '../ports/log.ts'
import type { Random } from '../ports/random.ts'
import { type Storage, WriteBatch } from '../ports/storage.ts'
import { ClientEvents } from '../sync/client-events.ts'
import type { Visibility } from '../sync/visibility.ts'
import type { AppServiceCalls } from './app-service-calls.ts'
import type { AppService } from './app-service.ts'
import { collectNews, collectPassing, type NewsParts } from './collect-news.ts'
import { appServiceTables, type DeliveryItem, type PendingTransaction, type StoredDelivery } from './tables.ts'

export interface DeliveryParts extends NewsParts {
  readonly storage: Storage
  readonly random: Random
  readonly log: Log
  readonly visibility: Visibility
  readonly toDevice: Pick<ToDevice, 'page' | 'acknowledge'>
  readonly calls: AppServiceCalls
}

/**
 * Tells application services what happens, in the order of the stream.
 *
 * Invariants:
 * 1. A service has one transaction under way. It is durable, with its id and what is in it, before it is sent, and the same until the
 *    service has taken it: after a crash it may come twice, but under one id, and nothing is left out.
 * 2. How far the stream was looked at and what is to be told of that are one write.
 * 3. A service that does not answer is tried again, ever more seldom, and holds up no other.
 */
export class AppServiceDelivery implements AsyncDisposable {
  readonly #parts: DeliveryParts
  readonly #events: ClientEvents
  readonly #stopping = new AbortController()
  readonly #workers: readonly Promise<void>[]

  private constructor(parts: DeliveryParts, begun: readonly (readonly [AppService, StoredDelivery])[]) {
    this.#parts = parts
    // What relates to an event comes as events of its own.
    this.#events = new ClientEvents({ ...parts, aggregations: { of: async () => new Map() } })
    this.#workers = begun.map(async ([service, delivery]) => this.#unlessStopped(this.#work(service, delivery)))
  }

  /** A service that is new is told what happens from now on. */
  static async open(parts: DeliveryParts, services: readonly AppService[]): Promise<AppServiceDelivery> {
    const begun: (readonly [AppService, StoredDelivery])[] = []
    for (const service of services.filter(({ registration }) => registration.url !== undefined)) {
      const stored = await parts.storage.get(appServiceTables.deliveries, [service.id])
      begun.push([service, stored ?? (await begin(parts, service))])
    }
    return new AppServiceDelivery(parts, begun)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopping.abort(new DOMException('The server stops', 'AbortError'))
    await Promise.all(this.#workers)
  }

  async #work(service: AppService, begun: StoredDelivery): Promise<void> {
    const { log, clock } = this.#parts
    const { signal } = this.#stopping
    const progress: Progress = { delivery: begun, storedAt: begun.position, passingSince: this.#parts.timeline.position }
    for (;;) {
      try {
        const { pending } = progress.delivery
        await (pending === undefined ? this.#gather(service, progress) : this.#tell(service, progress, pending))
      } catch (error) {
        signal.throwIfAborted()
        log.warn('Telling an application service failed', { service: service.id, error: error instanceof Error ? error.name : 'unknown' })
        await clock.sleep(limits.implementation.appServiceBackoffMaxMs, signal)
      }
    }
  }

  /** Makes the next transaction, or waits for something to happen. */
  async #gather(service: AppService, progress: Progress): Promise<void> {
    const { timeline } = this.#parts
    const { delivery } = progress
    const { items, reached } = await collectNews(this.#parts, service, delivery.position)
    const all = [...items, ...(await this.#passing(service, progress))]
    if (all.length > 0) {
      const pending = { id: `${delivery.series}-${delivery.taken + 1}`, items: all }
      return this.#keep(service, progress, { ...delivery, position: reached, pending })
    }
    progress.delivery = { ...delivery, position: reached }
    if (reached - progress.storedAt >= limits.implementation.appServiceRowsUnstoredMax)
      await this.#keep(service, progress, progress.delivery)
    if (reached >= timeline.position) await timeline.changed(reached, this.#stopping.signal)
  }

  async #passing(service: AppService, progress: Progress): Promise<DeliveryItem[]> {
    if (service.registration.ephemeral === 'none') return []
    const since = progress.passingSince
    progress.passingSince = this.#parts.timeline.position
    return collectPassing(this.#parts, service, since)
  }

  async #tell(service: AppService, progress: Progress, pending: PendingTransaction): Promise<void> {
    const { calls, clock, log } = this.#parts
    const { signal } = this.#stopping
    const { delivery } = progress
    const now = clock.now()
    if (delivery.retryAt > now) await clock.sleep(delivery.retryAt - now, signal)
    const body = await this.#bodyOf(service, pending.items)
    const answer = await calls.call(service, 'PUT', `/transactions/${encodeURIComponent(pending.id)}`, body, signal)
    if (answer?.kind === 'answered' && answer.status >= 200 && answer.status < 300) {
      const { pending: _taken, ...rest } = delivery
      progress.delivery = { ...rest, taken: delivery.taken + 1, failures: 0, retryAt: 0 }
      await this.#acknowledge(pending.items)
      return this.#keepIfPossible(service, progress)
    }
    const { appServiceBackoffMinMs, appServiceBackoffMaxMs } = limits.implementation
    const waitMs = growingWaitMs(delivery.failures, appServiceBackoffMinMs, appServiceBackoffMaxMs)
    progress.delivery = { ...delivery, failures: delivery.failures + 1, retryAt: clock.now() + waitMs }
    log.info('An application service did not take a transaction', {
      service: service.id,
      failures: progress.delivery.failures,
      reason: answer?.kind === 'answered' ? `status ${answer.status}` : (answer?.kind ?? 'no address'),
    })
    await this.#keepIfPossible(service, progress)
  }

  async #bodyOf({ senderId, registration }: AppService, items: readonly DeliveryItem[]): Promise<JsonObject> {
    const { rooms, toDevice } = this.#parts
    const ids = items.flatMap((item) => (item.kind === 'event' ? [item.eventId] : []))
    const stored = (await rooms.events(ids)).filter((event) => event !== undefined)
    const shown = await this.#events.withRoomId(stored, { userId: senderId, deviceId: '' })
    const byId = new Map(shown.map((event) => [event.event_id as string, event as unknown as JsonObject]))
    const events = items.flatMap((item) =>
      item.kind === 'event' ? (byId.get(item.eventId) ?? []) : item.kind === 'invite' ? [item.event] : [],
    )
    const passing = items.flatMap((item) => (item.kind === 'ephemeral' ? [item.event] : []))
    const messages: JsonObject[] = []
    for (const item of items) {
      if (item.kind !== 'to-device') continue
      const { userId, deviceId, position } = item
      const page = await toDevice.page(userId, deviceId, position - 1, position, 1)
      messages.push(...page.events.map((event) => ({ ...event, to_user_id: userId, to_device_id: deviceId })))
    }
    const isUnstable = registration.ephemeral === 'unstable'
    return {
      events,
      ...(passing.length === 0 ? {} : { ephemeral: passing, ...(isUnstable ? { 'de.sorunome.msc2409.ephemeral': passing } : {}) }),
      ...(messages.length === 0 ? {} : { 'de.sorunome.msc2409.to_device': messages }),
    }
  }

  /** A device's messages need not wait for it any more. */
  async #acknowledge(items: readonly DeliveryItem[]): Promise<void> {
    for (const item of items)
      if (item.kind === 'to-device') await this.#parts.toDevice.acknowledge(item.userId, item.deviceId, item.position)
  }

  async #keep(service: AppService, progress: Progress, delivery: StoredDelivery): Promise<void> {
    await this.#parts.storage.commit(new WriteBatch().put(appServiceTables.deliveries, [service.id], delivery).writes)
    progress.delivery = delivery
    progress.storedAt = delivery.position
  }

  /** What cannot be stored holds in memory: nothing is told again before a restart, and then under the same id. */
  async #keepIfPossible(service: AppService, progress: Progress): Promise<void> {
    try {
      await this.#keep(service, progress, progress.delivery)
    } catch (error) {
      this.#parts.log.warn('What an application service took could not be stored', {
        service: service.id,
        error: error instanceof Error ? error.name : 'unknown',
      })
    }
  }

  /** A task that ends with this, and whose failure is known. */
  async #unlessStopped(task: Promise<void>): Promise<void> {
    try {
      await task
    } catch (error) {
      if (this.#stopping.signal.aborted) return
      const name = error instanceof Error ? error.name : 'unknown'
      this.#parts.log.error('Telling application services ended unexpectedly', { error: name })
    }
  }
}

interface Progress {
  delivery: StoredDelivery
  storedAt: number
  /** In the stream: what passes was looked at up to here, in this run of the server. */
  passingSince: number
}

async function begin({ storage, random, timeline }: DeliveryParts, service: AppService): Promise<StoredDelivery> {
  const series = encodeBase64Url(random.bytes(9))
  const delivery = { series, taken: 0, position: timeline.position, failures: 0, retryAt: 0 }
  await storage.commit(new WriteBatch().put(appServiceTables.deliveries, [service.id], delivery).writes)
  return delivery
}
