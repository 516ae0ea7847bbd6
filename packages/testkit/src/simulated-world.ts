import type { Crypto } from '@kith/homeserver/ports'
import { type ServerName, serverNameFromPublicKey } from '@kith/matrix-protocol'
import { nextTurn } from './event-loop-turn.ts'
import { createNobleCrypto } from './noble-crypto.ts'
import { SeededRandom } from './seeded-random.ts'
import { type SimulatedMessage, SimulatedNetwork } from './simulated-network.ts'
import { VirtualClock } from './virtual-clock.ts'

const SEED_BYTES = 32

export interface WorldIdentity {
  readonly crypto: Crypto
  readonly server: ServerName
}

/** One virtual time, one seed, one network: everything that a simulated run depends on. */
export class SimulatedWorld {
  readonly clock = new VirtualClock()
  readonly random: SeededRandom
  readonly network: SimulatedNetwork
  readonly #createCrypto: (seed: Uint8Array) => Crypto

  /** `createCrypto`: makes an engine from a seed of 32 bytes, without waiting for anything outside the world. */
  constructor(
    seed: number,
    createCrypto: (seed: Uint8Array) => Crypto = createNobleCrypto,
    onMessage: (message: SimulatedMessage) => void = () => undefined,
  ) {
    this.#createCrypto = createCrypto
    this.random = new SeededRandom(seed)
    this.network = new SimulatedNetwork({ clock: this.clock, random: this.random, onMessage })
  }

  createIdentity(): WorldIdentity {
    const crypto = this.#createCrypto(this.random.bytes(SEED_BYTES))
    return { crypto, server: serverNameFromPublicKey(crypto.publicKey) }
  }

  /** Lets that much time pass. */
  async run(durationMs: number): Promise<void> {
    const end = this.clock.now() + durationMs
    await nextTurn()
    while (this.clock.wakeNext(end)) await nextTurn()
    await this.clock.advance(end - this.clock.now())
    await nextTurn()
  }

  /** Lets time pass until the condition holds. @throws Error when it does not within `durationMaxMs`. */
  async runUntil(condition: () => boolean | Promise<boolean>, durationMaxMs: number, what: string): Promise<void> {
    const end = this.clock.now() + durationMaxMs
    await nextTurn()
    while (!(await condition())) {
      if (!this.clock.wakeNext(end)) throw new Error(`Not within ${durationMaxMs} ms of simulated time: ${what}`)
      await nextTurn()
    }
  }

  /** The result of work that needs time to pass. */
  async finish<T>(work: Promise<T>, durationMaxMs = 120_000): Promise<T> {
    let done = false
    const settled = work.finally(() => (done = true))
    settled.catch(() => undefined)
    await this.runUntil(() => done, durationMaxMs, 'the work ends')
    return settled
  }
}
