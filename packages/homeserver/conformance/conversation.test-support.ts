import { encodeBase64, signingBytes, withSignature } from '@kith/matrix-protocol'
import { createNobleCrypto } from '@kith/testkit/noble-crypto'
import { SimulatedWorld } from '@kith/testkit/simulated-world'
import { type Json, TestNode, type TestUser } from '../src/client-api/test-node.test-support.ts'
import { type RecordedExchange, RecordedNetwork } from './recorded-network.test-support.ts'

const part = encodeURIComponent
const FEDERATION = '/_matrix/federation'

/** Two homeservers with users and a room between them, and everything that they say to each other. */
export class Conversation implements AsyncDisposable {
  readonly world = new SimulatedWorld(5)
  readonly network = new RecordedNetwork()
  readonly home = new TestNode(this.world)
  readonly away = new TestNode(this.world)
  /** At home. */
  alice!: TestUser
  /** Away, as bob is; registered for a second membership. */
  dave!: TestUser
  bob!: TestUser
  /** A room of alice's with bob in it. */
  roomId = ''

  async begin(): Promise<this> {
    await this.home.start()
    await this.away.start()
    this.alice = await this.home.register('alice')
    this.bob = await this.away.register('bob')
    this.dave = await this.away.register('dave')
    this.roomId = await this.alice.createRoom({
      preset: 'public_chat',
      name: 'The square',
      topic: 'All and sundry',
      room_alias_name: 'square',
      visibility: 'public',
    })
    for (let count = 0; count < 5; count++) await this.alice.say(this.roomId, `said before ${count}`)
    await this.world.run(60_000)
    for (let count = 0; count < 5; count++) await this.alice.say(this.roomId, `said later ${count}`)
    await this.as(this.bob, 'POST', `/join/${part(`#square:${this.home.identity.server}`)}`)
    return this
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.home[Symbol.asyncDispose]()
    await this.away[Symbol.asyncDispose]()
    this.network[Symbol.dispose]()
  }

  /** A client's call that may need the other server. */
  async as(user: TestUser, method: string, path: string, body?: unknown): Promise<Json> {
    return this.world.finish(user.ok(method, path, body))
  }

  /** Bob's server asks alice's, by hand. */
  async ask(method: string, path: string, body?: unknown): Promise<RecordedExchange> {
    return this.network.ask(this.world, this.away.identity, this.home.identity.server, method, path, body)
  }

  /** Everything that clients can make the servers say. */
  async speak(): Promise<void> {
    await this.#rooms()
    await this.#memberships()
    await this.#users()
    await this.#media()
    await this.#thirdParty()
  }

  /** What no client brings about, or not for sure. */
  async speakByHand(): Promise<void> {
    const home = this.home.identity.server
    const room = part(this.roomId)
    const eventId = await this.alice.say(this.roomId, 'look here')
    const event = part(eventId)
    const v1 = `${FEDERATION}/v1`
    await this.ask('GET', `${v1}/event/${event}`)
    await this.ask('GET', `${v1}/event_auth/${room}/${event}`)
    await this.ask('GET', `${v1}/state/${room}?event_id=${event}`)
    await this.ask('GET', `${v1}/state_ids/${room}?event_id=${event}`)
    await this.ask('GET', `${v1}/backfill/${room}?v=${event}&limit=3`)
    await this.ask('GET', `${v1}/timestamp_to_event/${room}?ts=${this.world.clock.now()}&dir=b`)
    await this.ask('POST', `${v1}/get_missing_events/${room}`, { earliest_events: [], latest_events: [eventId], limit: 5, min_depth: 0 })
    await this.ask('GET', `${v1}/query/profile?user_id=${part(this.alice.userId)}&field=displayname`)
    await this.ask('GET', `${v1}/user/devices/${part(this.alice.userId)}`)
    await this.ask('GET', `${v1}/version`)
    await this.ask('GET', '/.well-known/matrix/server')
    await this.ask('GET', `/_matrix/key/v2/query/${this.away.identity.server}?minimum_valid_until_ts=1`)
    await this.ask('POST', '/_matrix/key/v2/query', { server_keys: { [this.away.identity.server]: {}, [home]: {}, 'example.org': {} } })
    await this.ask('POST', '/_matrix/policy/v1/sign', { type: 'm.room.message' })
    const { access_token: token } = await this.alice.ok('POST', `/user/${part(this.alice.userId)}/openid/request_token`, {})
    await this.ask('GET', `${v1}/openid/userinfo?access_token=${token}`)
    await this.#inviteByTheFirstVersion()
  }

  async #rooms(): Promise<void> {
    const room = part(this.roomId)
    const home = this.home.identity.server
    const then = this.world.clock.now() - 90_000
    await this.as(this.bob, 'GET', `/_matrix/client/v1/rooms/${room}/timestamp_to_event?ts=${then}&dir=f`)
    await this.as(this.bob, 'GET', `/rooms/${room}/messages?dir=b&limit=100`)
    await this.bob.say(this.roomId, 'hello')
    await this.alice.say(this.roomId, 'hello')
    await this.world.run(5_000)
    await this.as(this.bob, 'GET', `/publicRooms?server=${home}&limit=1`)
    await this.as(this.bob, 'POST', `/publicRooms?server=${home}`, { filter: { generic_search_term: 'square', room_types: [null] } })
    const space = { preset: 'public_chat', name: 'The town', room_version: '11', creation_content: { type: 'm.space' } }
    const spaceId = await this.alice.createRoom(space)
    await this.alice.ok('PUT', `/rooms/${part(spaceId)}/state/m.space.child/${room}`, { via: [home], suggested: true })
    await this.as(this.bob, 'GET', `/_matrix/client/v1/rooms/${part(spaceId)}/hierarchy`)
    await this.as(this.bob, 'GET', `/_matrix/client/v1/rooms/${part(spaceId)}/hierarchy?suggested_only=true`)
  }

  async #memberships(): Promise<void> {
    const shy = await this.alice.createRoom({ preset: 'private_chat', invite: [] })
    await this.alice.ok('PUT', `/rooms/${part(shy)}/state/m.room.join_rules`, { join_rule: 'knock' })
    await this.as(this.bob, 'POST', `/knock/${part(shy)}?server_name=${this.home.identity.server}`, { reason: 'please' })
    await this.as(this.alice, 'POST', `/rooms/${part(shy)}/invite`, { user_id: this.dave.userId })
    await this.world.runUntil(async () => (await this.dave.sync()).rooms.invite[shy] !== undefined, 60_000, 'the invite arrives')
    await this.as(this.dave, 'POST', `/rooms/${part(shy)}/leave`)
    await this.world.run(5_000)
  }

  async #users(): Promise<void> {
    const { alice, bob } = this
    await alice.ok('PUT', `/profile/${part(alice.userId)}/displayname`, { displayname: 'Alice' })
    const names = { user_id: alice.userId, device_id: alice.deviceId }
    const signatures = { [alice.userId]: { [`ed25519:${alice.deviceId}`]: 'c2ln' } }
    const keys = { [`ed25519:${alice.deviceId}`]: 'a2V5', [`curve25519:${alice.deviceId}`]: 'a2V5' }
    await alice.ok('POST', '/keys/upload', {
      device_keys: { ...names, algorithms: ['m.olm.v1.curve25519-aes-sha2'], keys, signatures },
      one_time_keys: { 'signed_curve25519:AAAA': { key: 'b3Rr', signatures } },
    })
    await this.as(bob, 'GET', `/profile/${part(alice.userId)}`)
    await this.as(bob, 'POST', '/keys/query', { device_keys: { [alice.userId]: [] } })
    await this.as(bob, 'POST', '/keys/claim', { one_time_keys: { [alice.userId]: { [alice.deviceId]: 'signed_curve25519' } } })
    const message = { messages: { [bob.userId]: { '*': { text: 'psst' } } } }
    await alice.ok('PUT', '/sendToDevice/m.test/1', message)
    await alice.ok('PUT', `/rooms/${part(this.roomId)}/typing/${part(alice.userId)}`, { typing: true, timeout: 1_000 })
    await this.world.run(5_000)
  }

  async #media(): Promise<void> {
    const mxc = await this.upload(this.home, this.alice, new Uint8Array(1_000), 'image/png')
    for (const path of [`download/${mxc}`, `thumbnail/${mxc}?width=10&height=10&method=crop`]) {
      const answer = await this.world.finish(this.getMedia(this.away, this.bob, path))
      if (answer.status !== 200) throw new Error(`${path}: ${answer.status}`)
      if ((await this.world.finish(answer.arrayBuffer())).byteLength !== 1_000) throw new Error(`${path}: not the file`)
    }
  }

  /** Bob's address was invited; an identity server tells bob's server that the address is dave's. */
  async #thirdParty(): Promise<void> {
    const key = createNobleCrypto(this.world.random.bytes(32))
    const publicKey = encodeBase64(key.publicKey)
    const token = 'token'
    const content = {
      display_name: 'd…@e…',
      public_key: publicKey,
      key_validity_url: 'https://id.example/valid',
      public_keys: [{ public_key: publicKey }],
    }
    await this.alice.ok('PUT', `/rooms/${part(this.roomId)}/state/m.room.third_party_invite/${token}`, content)
    const unsigned = { mxid: this.dave.userId, token }
    const signed = withSignature(unsigned, 'id.example' as never, 'ed25519:0', await key.sign(signingBytes(unsigned)))
    const address = { medium: 'email', address: 'dave@example.org', mxid: this.dave.userId }
    const invite = { ...address, room_id: this.roomId, sender: this.alice.userId, signed }
    const identityServer = this.world.createIdentity()
    const path = `${FEDERATION}/v1/3pid/onbind`
    await this.network.ask(this.world, identityServer, this.away.identity.server, 'PUT', path, { ...address, invites: [invite] })
    await this.world.run(5_000)
  }

  /** Only rooms of the first versions are invited to in this way; what the second version of the request carried is made into one of the first. */
  async #inviteByTheFirstVersion(): Promise<void> {
    const carol = await this.home.register('carol')
    const old = await this.bob.createRoom({ preset: 'private_chat', room_version: '1' })
    await this.as(this.bob, 'POST', `/rooms/${part(old)}/invite`, { user_id: carol.userId })
    await this.world.run(5_000)
    const second = this.network.exchanges.findLast(({ url }) => url.pathname.startsWith(`${FEDERATION}/v2/invite/${part(old)}`))
    if (second === undefined) throw new Error('No invite of the second version was seen')
    const body = second.requestBody as Json
    const first = { ...body.event, unsigned: { invite_room_state: body.invite_room_state } }
    await this.ask('PUT', second.url.pathname.replace('/v2/', '/v1/'), first)
  }

  async upload(node: TestNode, user: TestUser, bytes: Uint8Array<ArrayBuffer>, contentType: string): Promise<string> {
    const headers = { authorization: `Bearer ${user.token}`, 'content-type': contentType }
    const answer = await node.clientApi(new Request('http://node.test/_matrix/media/v3/upload', { method: 'POST', body: bytes, headers }))
    const { content_uri: uri } = (await answer.json()) as Json
    return String(uri).slice('mxc://'.length)
  }

  async getMedia(node: TestNode, user: TestUser, path: string): Promise<Response> {
    const headers = { authorization: `Bearer ${user.token}` }
    return node.clientApi(new Request(`http://node.test/_matrix/client/v1/media/${path}`, { headers }))
  }
}
