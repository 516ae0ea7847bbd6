import fc from 'fast-check'

export const userCount = 5
export const clientCount = 7

const user = fc.nat({ max: userCount - 1 })
const client = fc.nat({ max: clientCount - 1 })
const room = fc.nat({ max: 3 })
const of = <K extends string>(kind: K) => fc.constant(kind)

/** One step of a story. Users, rooms and events are named by numbers; what is not there is passed over. */
export const action = fc.oneof(
  fc.record({ kind: of('create'), user, preset: fc.constantFrom('private_chat', 'public_chat'), encrypted: fc.boolean() }),
  { weight: 2, arbitrary: fc.record({ kind: of('join'), user, room }) },
  fc.record({ kind: fc.constantFrom('leave', 'forget'), user, room }),
  { weight: 2, arbitrary: fc.record({ kind: of('invite'), user, room, target: user }) },
  fc.record({ kind: fc.constantFrom('kick', 'ban', 'unban'), user, room, target: user }),
  { weight: 6, arbitrary: fc.record({ kind: of('say'), user, room, count: fc.integer({ min: 1, max: 4 }), thread: fc.boolean() }) },
  fc.record({ kind: of('redact'), user, room, event: fc.nat({ max: 30 }) }),
  {
    weight: 2,
    arbitrary: fc.record({
      kind: of('state'),
      user,
      room,
      key: fc.constantFrom('name', 'topic', 'own', 'visibility'),
      value: fc.nat({ max: 9 }),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: of('receipt'),
      user,
      room,
      event: fc.nat({ max: 5 }),
      type: fc.constantFrom('m.read', 'm.read.private', 'm.fully_read'),
      thread: fc.constantFrom('', 'main', 'root'),
    }),
  },
  fc.record({ kind: of('typing'), user, room, typing: fc.boolean() }),
  fc.record({
    kind: of('account-data'),
    user,
    room: fc.option(room, { nil: undefined }),
    type: fc.constantFrom('test.a', 'test.b'),
    value: fc.nat({ max: 9 }),
  }),
  fc.record({ kind: of('tag'), user, room, add: fc.boolean() }),
  fc.record({ kind: of('direct'), user, rooms: fc.uniqueArray(room, { maxLength: 2 }) }),
  { weight: 2, arbitrary: fc.record({ kind: of('to-device'), user, target: user }) },
  fc.record({ kind: of('profile'), user, name: fc.nat({ max: 9 }) }),
  {
    weight: 8,
    arbitrary: fc.record({
      kind: of('sync'),
      client,
      lost: fc.boolean(),
      first: fc.nat({ max: 2 }),
      size: fc.nat({ max: 3 }),
      limit: fc.nat({ max: 5 }),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({ kind: of('poll'), client, first: fc.nat({ max: 2 }), size: fc.nat({ max: 3 }), limit: fc.nat({ max: 5 }) }),
  },
  { weight: 2, arbitrary: fc.record({ kind: of('wait'), ms: fc.constantFrom(10, 500, 20_000) }) },
  fc.record({ kind: of('restart'), node: fc.nat({ max: 1 }) }),
)

export type Action = typeof action extends fc.Arbitrary<infer T> ? T : never

/** What the clients ask for. */
export const clientSettings = fc.record({
  stateName: fc.constantFrom('state', 'state_after'),
  limit: fc.integer({ min: 1, max: 6 }),
  lazy: fc.boolean(),
})

export type ClientSettings = typeof clientSettings extends fc.Arbitrary<infer T> ? T : never
