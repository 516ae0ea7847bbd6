import { unreachable } from '@kith/matrix-protocol'
import { SimulatedWorld } from '@kith/testkit/simulated-world'
import { type Json, type Reply, TestNode, type TestUser } from '../../client-api/test-node.test-support.ts'
import { type Action, type ClientSettings, userCount } from './actions.test-support.ts'
import { ClassicClient } from './classic-client.test-support.ts'
import { differences } from './compare.test-support.ts'
import { SlidingViewer } from './sliding-view.test-support.ts'
import { type Tamper, untouched } from './view.test-support.ts'

const kith = '/_matrix/client/unstable/im.kith'
const everything = { first: 0, size: 999, limit: 5 }
const syncsMax = 60
const typingMs = 20_000
const pollMs = 30_000

/** Users of two nodes act, and their clients sync now and then; in the end every client must show what its server says. */
export class Story implements AsyncDisposable {
  readonly #world: SimulatedWorld
  readonly #nodes: readonly TestNode[]
  readonly users: TestUser[] = []
  readonly #clients: (ClassicClient | SlidingViewer)[] = []
  readonly #rooms: { readonly roomId: string; readonly events: string[] }[] = []
  /** By user id, what was sent to their device. */
  readonly #sent = new Map<string, string[]>()
  /** By client, the request that waits for news. */
  readonly #polls = new Map<number, { readonly ended: Promise<unknown>; readonly aborting: AbortController }>()
  /** How many steps did something. */
  done = 0
  #count = 0

  constructor(seed: number) {
    this.#world = new SimulatedWorld(seed)
    this.#nodes = [new TestNode(this.#world), new TestNode(this.#world)]
  }

  /** @param tamper what becomes of the answers of one client; for plants. */
  async begin(settings: readonly ClientSettings[], tamper: ReadonlyMap<number, Tamper> = new Map()): Promise<void> {
    for (const node of this.#nodes) await node.start()
    for (let index = 0; index < userCount; index++) {
      const node = this.#nodes[index < 3 ? 0 : 1]
      if (node !== undefined) this.users.push(await node.register(`user${index}`))
    }
    await this.#meet(0, 3)
    await this.#meet(3, 0)
    for (const [index, user] of this.users.entries()) {
      const chosen = settings[index] ?? { stateName: 'state', limit: 3, lazy: false }
      const tampered = tamper.get(index) ?? untouched
      this.#clients.push(
        index % 2 === 0 ? new ClassicClient(user, chosen, tampered) : new SlidingViewer(user, chosen, { tamper: tampered }),
      )
    }
    for (const index of [0, 4]) {
      const user = this.users[index]
      const chosen = settings[userCount + index / 4] ?? { stateName: 'state', limit: 3, lazy: true }
      if (user !== undefined) this.#clients.push(new SlidingViewer(user, chosen, { takesMessages: false }))
    }
  }

  async perform(step: Action): Promise<void> {
    switch (step.kind) {
      case 'sync':
        await this.#endPoll(step.client, step.lost)
        await this.#clients[step.client]?.sync(step)
        return
      case 'poll':
        await this.#endPoll(step.client)
        this.#poll(step)
        return
      case 'wait':
        return this.#world.run(step.ms)
      case 'restart':
        for (const [index, client] of this.#clients.entries())
          if (client.user.node === this.#nodes[step.node]) this.#polls.get(index)?.aborting.abort()
        return this.#nodes[step.node]?.restart()
      default: {
        const reply = await this.#act(step)
        if (reply === undefined) return
        if (reply.status >= 500) throw new Error(`${step.kind}: ${reply.status} ${JSON.stringify(reply.body)}`)
        if (reply.status === 200) this.done++
      }
    }
  }

  /** Lets everything arrive, and every client see it. */
  async settle(): Promise<string[]> {
    await this.#world.run(180_000)
    for (const index of this.#clients.keys()) await this.#endPoll(index)
    const found: string[] = []
    for (const [index, client] of this.#clients.entries()) {
      let syncs = 0
      while ((await client.sync({ lost: false, ...everything })) && ++syncs < syncsMax);
      const name = `client ${index} of ${client.user.userId}`
      if (syncs === syncsMax) found.push(`${name}: there is no end of news`)
      const sliding = client instanceof SlidingViewer
      const compared = { user: client.user, view: client.view, lazy: client.settings.lazy, sliding }
      const finish = async <T>(work: Promise<T>): Promise<T> => this.#world.finish(work)
      for (const difference of await differences(compared, finish)) found.push(`${name}, ${difference}`)
      if (index >= userCount) continue
      const sent = (this.#sent.get(client.user.userId) ?? []).toSorted()
      const got = client.toDevice.toSorted()
      if (sent.join() !== got.join()) found.push(`${name}, messages to the device: ${got.join()} instead of ${sent.join()}`)
    }
    return found
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const node of this.#nodes) await node[Symbol.asyncDispose]()
  }

  #poll(step: Extract<Action, { readonly kind: 'poll' }>): void {
    const aborting = new AbortController()
    const { signal } = aborting
    const ended = this.#clients[step.client]?.sync({ ...step, lost: false, timeout: pollMs, signal }).catch((error: unknown) => {
      // The node went away meanwhile, and the answer with it.
      if (!signal.aborted) throw error
    })
    ended?.catch(() => undefined)
    if (ended !== undefined) this.#polls.set(step.client, { ended, aborting })
  }

  /** A client has one request at a time. @param cancel whether it gives up the one that waits. */
  async #endPoll(client: number, cancel = false): Promise<void> {
    const poll = this.#polls.get(client)
    this.#polls.delete(client)
    if (cancel) poll?.aborting.abort()
    if (poll !== undefined) await this.#world.finish(poll.ended)
  }

  async #meet(index: number, other: number): Promise<void> {
    const { user_id: userId, relay_list: relayList } = await this.#user(other).ok('GET', `${kith}/contact`)
    await this.#user(index).ok('POST', `${kith}/contacts`, { user_id: userId, relay_list: relayList })
  }

  #user(index: number): TestUser {
    const user = this.users[index]
    if (user === undefined) throw new RangeError('there is no such user')
    return user
  }

  #room(index: number): { readonly roomId: string; readonly events: string[] } | undefined {
    return this.#rooms[index % Math.max(1, this.#rooms.length)]
  }

  async #call(user: TestUser, method: string, path: string, body: unknown = {}): Promise<Reply> {
    return this.#world.finish(user.call(method, path, body))
  }

  /** Undefined when there is nothing to act upon. */
  async #act(step: Exclude<Action, { readonly kind: 'sync' | 'poll' | 'wait' | 'restart' }>): Promise<Reply | undefined> {
    const user = this.#user(step.user)
    switch (step.kind) {
      case 'create':
        return this.#create(user, step)
      case 'account-data':
      case 'direct':
      case 'to-device':
      case 'profile':
        return this.#actAlone(user, step)
      default: {
        const room = this.#room(step.room)
        return room === undefined ? undefined : this.#actInRoom(user, room, step)
      }
    }
  }

  async #create(user: TestUser, { preset, encrypted }: Extract<Action, { readonly kind: 'create' }>): Promise<Reply | undefined> {
    if (this.#rooms.length >= 4) return undefined
    const initialState = encrypted ? [{ type: 'm.room.encryption', state_key: '', content: { algorithm: 'm.megolm.v1.aes-sha2' } }] : []
    // Whoever is inside may do most things, or hardly any step would succeed.
    const levels = { users_default: 60, events_default: 0 }
    const body = { preset, initial_state: initialState, power_level_content_override: levels }
    const reply = await this.#call(user, 'POST', '/createRoom', body)
    if (reply.status === 200) this.#rooms.push({ roomId: reply.body.room_id, events: [] })
    return reply
  }

  async #actAlone(
    user: TestUser,
    step: Extract<Action, { readonly kind: 'account-data' | 'direct' | 'to-device' | 'profile' }>,
  ): Promise<Reply | undefined> {
    const own = `/user/${encodeURIComponent(user.userId)}`
    switch (step.kind) {
      case 'account-data': {
        const room = step.room === undefined ? undefined : this.#room(step.room)
        const where = room === undefined ? '' : `/rooms/${encodeURIComponent(room.roomId)}`
        return this.#call(user, 'PUT', `${own}${where}/account_data/${step.type}`, { value: step.value })
      }
      case 'direct': {
        const rooms = step.rooms.flatMap((index) => this.#room(index)?.roomId ?? [])
        return this.#call(user, 'PUT', `${own}/account_data/m.direct`, { [this.#user(0).userId]: rooms })
      }
      case 'to-device':
        return this.#sendToDevice(user, this.#user(step.target))
      case 'profile':
        return this.#call(user, 'PUT', `/profile/${encodeURIComponent(user.userId)}/displayname`, { displayname: `name ${step.name}` })
      default:
        return unreachable(step)
    }
  }

  async #sendToDevice(user: TestUser, target: TestUser): Promise<Reply> {
    const id = `m${++this.#count}`
    const reply = await this.#call(user, 'PUT', `/sendToDevice/test/${id}`, { messages: { [target.userId]: { '*': { id } } } })
    if (reply.status === 200) this.#sent.getOrInsertComputed(target.userId, () => []).push(id)
    return reply
  }

  async #actInRoom(
    user: TestUser,
    room: { readonly roomId: string; readonly events: string[] },
    step: Extract<Action, { readonly room: number }>,
  ): Promise<Reply | undefined> {
    const path = `/rooms/${encodeURIComponent(room.roomId)}`
    const recent = (index: number): string | undefined => room.events.at(-1 - (index % Math.max(1, room.events.length)))
    switch (step.kind) {
      case 'join':
        return this.#call(user, 'POST', `/join/${encodeURIComponent(room.roomId)}?via=${this.#user(0).userId.split(':')[1] ?? ''}`)
      case 'leave':
      case 'forget':
        return this.#call(user, 'POST', `${path}/${step.kind}`)
      case 'invite':
      case 'kick':
      case 'ban':
      case 'unban':
        return this.#call(user, 'POST', `${path}/${step.kind}`, { user_id: this.#user(step.target).userId })
      case 'say':
        return this.#say(user, room, path, step)
      case 'redact': {
        const target = recent(step.event)
        return target === undefined ? undefined : this.#call(user, 'PUT', `${path}/redact/${encodeURIComponent(target)}/t${++this.#count}`)
      }
      case 'state':
        return this.#call(user, 'PUT', `${path}/state/${stateTypes[step.key]}`, stateContent(step.key, step.value))
      case 'receipt': {
        const target = recent(step.event)
        const body = step.thread === '' ? {} : { thread_id: step.thread === 'main' ? 'main' : (room.events[0] ?? 'main') }
        const isMarker = step.type === 'm.fully_read'
        return target === undefined
          ? undefined
          : this.#call(user, 'POST', `${path}/receipt/${step.type}/${encodeURIComponent(target)}`, isMarker ? {} : body)
      }
      case 'typing':
        return this.#call(user, 'PUT', `${path}/typing/${encodeURIComponent(user.userId)}`, { typing: step.typing, timeout: typingMs })
      case 'tag':
        return this.#call(user, step.add ? 'PUT' : 'DELETE', `/user/${encodeURIComponent(user.userId)}${path}/tags/u.own`)
      default:
        return undefined
    }
  }

  async #say(
    user: TestUser,
    room: { readonly events: string[] },
    path: string,
    { count, thread }: { readonly count: number; readonly thread: boolean },
  ): Promise<Reply | undefined> {
    let reply: Reply | undefined
    for (let index = 0; index < count; index++) {
      const number = ++this.#count
      const [root] = room.events
      const relation: Json = thread && root !== undefined ? { 'm.relates_to': { rel_type: 'm.thread', event_id: root } } : {}
      const content = { msgtype: 'm.text', body: `${number}`, ...relation }
      reply = await this.#call(user, 'PUT', `${path}/send/m.room.message/t${number}`, content)
      if (reply.status === 200) room.events.push(reply.body.event_id)
    }
    return reply
  }
}

const stateTypes = { name: 'm.room.name', topic: 'm.room.topic', own: 'im.test.own', visibility: 'm.room.history_visibility' } as const

function stateContent(key: keyof typeof stateTypes, value: number): object {
  switch (key) {
    case 'name':
      return { name: `room ${value}` }
    case 'topic':
      return { topic: `topic ${value}` }
    case 'own':
      return { value }
    case 'visibility':
      return { history_visibility: (['shared', 'joined', 'invited', 'world_readable'] as const)[value % 4] }
    default:
      return unreachable(key)
  }
}
