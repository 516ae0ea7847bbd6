import { unreachable } from '@kith/matrix-protocol'
import type { Fault } from './scenario.ts'
import type { World } from './world.ts'

/** Faults, as they come and go over each other. A way stays cut until the last fault that cuts it has ended. */
export class Faults {
  readonly #world: World
  readonly #ways = new Map<string, number>()
  readonly #away = new Map<string, number>()
  #ended = false

  constructor(world: World) {
    this.#world = world
  }

  /** Resolves when the fault has ended by itself. */
  async inflict(fault: Fault): Promise<void> {
    const { network } = this.#world.simulated
    switch (fault.kind) {
      case 'cut':
        return this.#cut([fault.between], fault.forMs)
      case 'part':
        return this.#cut(this.#across(fault.group), fault.forMs)
      case 'cut-one-way':
        return this.#cutOneWay(fault.between, fault.forMs)
      case 'sleep':
        return this.#sleep(fault.server, fault.forMs)
      case 'crash':
        this.#world.node(fault.server).crash()
        return this.#startAfter(fault.server, fault.forMs)
      case 'crash-at-commit':
        this.#world.node(fault.server).crash({ after: fault.after, durable: fault.durable })
        return this.#startAfter(fault.server, fault.forMs)
      case 'restart':
        // A frozen program cannot end as it should.
        if (this.#world.node(fault.server).isAsleep) this.#world.node(fault.server).crash()
        await this.#world.node(fault.server).stop()
        return this.#world.node(fault.server).start()
      case 'lose':
        return this.#setFor('lossPercent', fault.percent, fault.forMs)
      case 'double':
        return this.#setFor('duplicatesPercent', fault.percent, fault.forMs)
      case 'break':
        return this.#setFor('breaksPercent', fault.percent, fault.forMs)
      case 'jitter':
        network.jitterMs = fault.ms
        await this.#wait(fault.forMs)
        network.jitterMs = 0
        return
      default:
        return unreachable(fault)
    }
  }

  /** Ends all faults; those still under way find nothing left to end. */
  async endAll(): Promise<void> {
    this.#ended = true
    this.#ways.clear()
    this.#world.simulated.network.mendAll()
    for (const node of [...this.#world.relays.values(), ...this.#world.servers.values()]) {
      node.disarm()
      if (node.isAsleep) node.wake()
      await node.start()
    }
  }

  async #cut(pairs: readonly (readonly [string, string])[], forMs: number): Promise<void> {
    const { network } = this.#world.simulated
    for (const pair of pairs) {
      this.#count(this.#ways, pair, 1)
      network.cut(...this.#serversOf(pair))
    }
    await this.#wait(forMs)
    if (this.#ended) return
    for (const pair of pairs) if (this.#count(this.#ways, pair, -1) === 0) network.mend(...this.#serversOf(pair))
  }

  async #cutOneWay(pair: readonly [string, string], forMs: number): Promise<void> {
    const { network } = this.#world.simulated
    this.#count(this.#ways, pair, 1)
    network.cutOneWay(...this.#serversOf(pair))
    await this.#wait(forMs)
    if (!this.#ended && this.#count(this.#ways, pair, -1) === 0) network.mend(...this.#serversOf(pair))
  }

  async #sleep(name: string, forMs: number): Promise<void> {
    this.#count(this.#away, [name, name], 1)
    this.#world.node(name).sleep()
    await this.#wait(forMs)
    if (this.#count(this.#away, [name, name], -1) === 0 && !this.#ended) this.#world.node(name).wake()
  }

  async #startAfter(name: string, forMs: number): Promise<void> {
    await this.#wait(forMs)
    if (!this.#ended) await this.#world.node(name).start()
  }

  async #setFor(what: 'lossPercent' | 'duplicatesPercent' | 'breaksPercent', percent: number, forMs: number): Promise<void> {
    const { network } = this.#world.simulated
    network[what] = percent
    await this.#wait(forMs)
    network[what] = 0
  }

  /** By the world's time, which goes on when servers sleep. */
  #wait(forMs: number): Promise<void> {
    return this.#world.simulated.clock.sleep(forMs, new AbortController().signal)
  }

  #across(group: readonly string[]): (readonly [string, string])[] {
    const outside = [...this.#world.servers.keys(), ...this.#world.relays.keys()].filter((name) => !group.includes(name))
    return group.flatMap((inside) => outside.map((other) => [inside, other] as const))
  }

  #serversOf([one, other]: readonly [string, string]) {
    return [this.#world.node(one).server, this.#world.node(other).server] as const
  }

  #count(counts: Map<string, number>, pair: readonly [string, string], change: 1 | -1): number {
    const name = pair.toSorted().join(' ')
    const count = Math.max(0, (counts.get(name) ?? 0) + change)
    counts.set(name, count)
    return count
  }
}
