import { setTimeout as sleep } from 'node:timers/promises'
import { eventually, PATIENCE_MS } from '@kith/testkit/eventually'
import { expect, test } from 'vitest'
import { startConstellation } from './headless-constellation.ts'
import { registerSdkAccount, type SdkAccount } from './sdk-account.ts'
import { startEncryptedChat } from './sdk-chats.ts'
import { seededRandom } from './seeded-random.ts'
import { untilReachable } from './until-reachable.ts'

const ROUNDS = Number(process.env.KITH_KILL_ROUNDS ?? 50)
const MESSAGES_PER_ROUND = 4
const seed = Number(process.env.KITH_SEED ?? 20261121)

test(`two servers and a relay, each killed at random moments over ${ROUNDS} rounds, lose and double nothing (KITH_SEED=${seed})`, async () => {
  await using constellation = await startConstellation([[0], [0]])
  const [first, second] = constellation.servers
  if (first === undefined || second === undefined) throw new Error('two servers were asked for')
  const alice = await registerSdkAccount(first.baseUrl, 'alice')
  const bob = await registerSdkAccount(second.baseUrl, 'bob')
  // Otherwise the clients begin without each other's keys.
  await Promise.all([
    untilReachable(first.baseUrl, alice.client.getAccessToken(), 1),
    untilReachable(second.baseUrl, bob.client.getAccessToken(), 1),
  ])
  const { roomId, greetings } = await startEncryptedChat(alice, bob)
  const random = seededRandom(seed)
  const restartable = [...constellation.servers, ...constellation.relays]
  const acknowledged = new Map<string, string>()
  for (let round = 0; round < ROUNDS; round += 1) {
    const victim = restartable[random.integer(restartable.length)]
    const sends = Array.from({ length: MESSAGES_PER_ROUND }, (_, index) => {
      const sender = random.integer(2) === 0 ? alice : bob
      const body = `round ${round} message ${index} from ${sender.userId}`
      return sender.sendUntilAcknowledged(roomId, body).then((eventId) => acknowledged.set(eventId, body))
    })
    await sleep(random.integer(400))
    await victim?.process.end('SIGKILL')
    // Some victims stay away long enough for mail to take the way over the relay.
    await sleep(random.integer(3) === 0 ? 2_000 : 0)
    await victim?.start()
    await Promise.all(sends)
  }
  expect(acknowledged.size).toBe(ROUNDS * MESSAGES_PER_ROUND)
  for (const account of [alice, bob]) {
    await eventually(`${account.userId} reads all ${acknowledged.size} messages`, PATIENCE_MS, () => {
      const unread = [...acknowledged].filter(([eventId]) => !account.messages.has(eventId))
      if (unread.length > 0)
        throw new Error(`unread: ${unread.map(([eventId, body]) => `${body} (${whatIsKnown(account, roomId, eventId)})`).join(', ')}`)
      return true
    })
    const bodies = [...account.messages].flatMap(([eventId, body]) => (greetings.has(eventId) ? [] : [body]))
    expect(bodies.toSorted()).toEqual([...acknowledged.values()].toSorted())
    expect((await eventIdsInHistory(account, roomId)).filter((eventId) => !greetings.has(eventId))).toEqual(
      [...acknowledged.keys()].toSorted(),
    )
  }
  alice.stop()
  bob.stop()
}, 900_000)

/** Why a message cannot be read, for whoever has to find out. */
function whatIsKnown(account: SdkAccount, roomId: string, eventId: string): string {
  const event = account.client.getRoom(roomId)?.findEventById(eventId)
  if (event === undefined) return 'the client never saw it'
  return event.isDecryptionFailure() ? `undecryptable: ${event.decryptionFailureReason}` : `seen as ${event.getType()}`
}

/** The ids of the encrypted events as the server pages them, each as often as it appears, sorted. */
async function eventIdsInHistory(account: SdkAccount, roomId: string): Promise<string[]> {
  const eventIds: string[] = []
  let from: string | undefined
  do {
    const page = await account.client.createMessagesRequest(roomId, from ?? null, 100, 'b' as never)
    eventIds.push(...page.chunk.filter((event) => event.type === 'm.room.encrypted').map((event) => event.event_id))
    from = page.chunk.length === 0 ? undefined : page.end
  } while (from !== undefined)
  return eventIds.toSorted()
}
