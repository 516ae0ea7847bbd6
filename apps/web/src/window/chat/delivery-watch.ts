import { observableValue } from '../observable.ts'
import type { Observable } from '../observable.ts'
import { applyChanges, applySnapshot, needsSnapshot, noteSent, nothingKnown, parseDeliveries } from './delivery-state.ts'
import type { DeliveryKnowledge } from './delivery-state.ts'
import { chatLimits } from './limits.ts'
import { keepPolling } from './long-poll.ts'
import type { JsonObject } from '@kith/matrix-protocol'

/** Asks `GET im.kith/deliveries` with this query. */
export type AskDeliveries = (query: string, signal: AbortSignal) => Promise<JsonObject>

/** Follows where own messages are, from the node's long poll. */
export class DeliveryWatch {
  readonly knowledge: Observable<DeliveryKnowledge>
  readonly #knowledge = observableValue(nothingKnown)
  readonly #ask: AskDeliveries
  #position: string | undefined
  #pollNumber = 0

  constructor(ask: AskDeliveries) {
    this.#ask = ask
    this.knowledge = this.#knowledge
  }

  run(signal: AbortSignal): Promise<void> {
    const startOver = () => {
      this.#position = undefined
    }
    return keepPolling((pollSignal) => this.#poll(pollSignal), startOver, signal)
  }

  /** A message went out; until the node says otherwise it waits for its peers. */
  noteSent(eventId: string): void {
    this.#knowledge.set(noteSent(this.#knowledge.get(), eventId, this.#pollNumber))
  }

  async #poll(signal: AbortSignal): Promise<void> {
    this.#pollNumber += 1
    const pollNumber = this.#pollNumber
    if (this.#position === undefined) {
      const answer = parseDeliveries(await this.#ask('', signal))
      this.#position = answer.next
      this.#knowledge.set(applySnapshot(this.#knowledge.get(), answer, pollNumber))
      return
    }
    const query = `?since=${encodeURIComponent(this.#position)}&timeout=${chatLimits.pollTimeoutMs}`
    const answer = parseDeliveries(await this.#ask(query, signal))
    const knowledge = applyChanges(this.#knowledge.get(), answer)
    this.#position = needsSnapshot(knowledge, pollNumber) ? undefined : answer.next
    this.#knowledge.set(knowledge)
  }
}
