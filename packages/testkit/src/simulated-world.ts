import type { Crypto } from '@kith/homeserver/ports'
import { type ServerName, serverNameFromPublicKey } from '@kith/matrix-protocol'
import { createNobleCrypto } from './noble-crypto.ts'
import { SeededRandom } from './seeded-random.ts'
import { SimulatedNetwork } from './simulated-network.ts'
import { settleMicrotasks, VirtualClock } from './virtual-clock.ts'

const SEED_BYTES = 32
/** Bodies of requests pass through streams of the platform, which take turns of the event loop besides promises. */
const TURNS_TO_SETTLE = 3

export interface WorldIdentity {
  readonly crypto: Crypto
  readonly server: ServerName
}

/** One virtual time, one seed, one network: everything that a simulated run depends on. */
export class SimulatedWorld {
  readonly clock = new VirtualClock()
  readonly random: SeededRandom
  readonly network: SimulatedNetwork

  constructor(seed: number) {
    this.random = new SeededRandom(seed)
    this.network = new SimulatedNetwork({ clock: this.clock, random: this.random })
  }

  createIdentity(): WorldIdentity {
    const crypto = createNobleCrypto(this.random.bytes(SEED_BYTES))
    return { crypto, server: serverNameFromPublicKey(crypto.publicKey) }
  }

  /** Lets that much time pass. */
  async run(durationMs: number): Promise<void> {
    const end = this.clock.now() + durationMs
    await settle()
    while (this.clock.wakeNext(end)) await settle()
    await this.clock.advance(end - this.clock.now())
  }

  /** Lets time pass until the condition holds. @throws Error when it does not within `durationMaxMs`. */
  async runUntil(condition: () => boolean | Promise<boolean>, durationMaxMs: number, what: string): Promise<void> {
    const end = this.clock.now() + durationMaxMs
    await settle()
    while (!(await condition())) {
      if (!this.clock.wakeNext(end)) throw new Error(`Not within ${durationMaxMs} ms of simulated time: ${what}`)
      await settle()
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

async function settle(): Promise<void> {
  for (let turn = 0; turn < TURNS_TO_SETTLE; turn++) {
    await settleMicrotasks(20)
    await nextTurn()
  }
}

const channel = new MessageChannel()
const waiting: (() => void)[] = []
channel.port1.addEventListener('message', () => waiting.shift()?.())
channel.port1.start()

function nextTurn(): Promise<void> {
  return new Promise((resolve) => {
    waiting.push(resolve)
    channel.port2.postMessage(undefined)
  })
}
