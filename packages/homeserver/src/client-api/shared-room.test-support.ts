import { TestNode, type TestUser } from './test-node.test-support.ts'

/** One node, and a public room of Alice's in which Bob is too. */
export class SharedRoom implements AsyncDisposable {
  readonly node: TestNode
  readonly alice: TestUser
  readonly bob: TestUser
  readonly roomId: string
  /** Where the room's endpoints are. */
  readonly path: string

  private constructor(node: TestNode, alice: TestUser, bob: TestUser, roomId: string) {
    this.node = node
    this.alice = alice
    this.bob = bob
    this.roomId = roomId
    this.path = `/rooms/${encodeURIComponent(roomId)}`
  }

  static async open(): Promise<SharedRoom> {
    const node = await TestNode.start()
    const alice = await node.register('alice')
    const bob = await node.register('bob')
    const roomId = await alice.createRoom({ preset: 'public_chat' })
    await bob.ok('POST', `/join/${encodeURIComponent(roomId)}`)
    return new SharedRoom(node, alice, bob, roomId)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.node[Symbol.asyncDispose]()
  }
}
