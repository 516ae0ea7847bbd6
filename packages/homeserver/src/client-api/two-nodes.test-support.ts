import { SimulatedWorld } from '@kith/testkit/simulated-world'
import { TestNode, type TestUser } from './test-node.test-support.ts'

/** Alice at home, and Bob away: two nodes of one world, whose users have not met. */
export class TwoNodes implements AsyncDisposable {
  readonly world: SimulatedWorld
  readonly home: TestNode
  readonly away: TestNode
  readonly alice: TestUser
  readonly bob: TestUser

  private constructor(home: TestNode, away: TestNode, alice: TestUser, bob: TestUser) {
    this.world = home.world
    this.home = home
    this.away = away
    this.alice = alice
    this.bob = bob
  }

  /** `prepare`: what the nodes are given before they start. */
  static async start(seed: number, prepare?: (home: TestNode, away: TestNode) => void): Promise<TwoNodes> {
    const world = new SimulatedWorld(seed)
    const [home, away] = [new TestNode(world), new TestNode(world)]
    prepare?.(home, away)
    await home.start()
    await away.start()
    return new TwoNodes(home, away, await home.register('alice'), await away.register('bob'))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.home[Symbol.asyncDispose]()
    await this.away[Symbol.asyncDispose]()
  }
}
