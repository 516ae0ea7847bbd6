import type { ClientContract } from '../client-contract.test-support.ts'

/** What clients follow: called when much has happened, so that there is something to say. */
export async function callSync(contract: ClientContract): Promise<void> {
  const { alice, bob, carol, roomId } = contract
  const { next_batch: since } = await contract.ask(alice, 'sync', { query: { set_presence: 'online', timeout: 0 } })
  await contract.ask(bob, 'sync', { query: { full_state: true, use_state_after: true } })
  await carol.say(roomId, 'Is anybody there?')
  await contract.ask(carol, 'setTyping', { path: { roomId, userId: carol.userId }, body: { typing: true, timeout: 10_000 } })
  const filter = JSON.stringify({ room: { timeline: { limit: 1, unread_thread_notifications: true }, state: { lazy_load_members: true } } })
  await contract.ask(alice, 'sync', { query: { since, filter, timeout: 1_000 } })
  await callOldSync(contract, since)
}

/** What was there before /sync. */
async function callOldSync(contract: ClientContract, from: string): Promise<void> {
  const { alice, carol, roomId } = contract
  await contract.ask(alice, 'initialSync', { query: { limit: 2, archived: true } })
  const { messages } = await contract.ask(alice, 'roomInitialSync', { path: { roomId } })
  await contract.ask(carol, 'roomInitialSync', { path: { roomId: await alice.createRoom() } }, 403)
  await contract.ask(alice, 'getEvents', { query: { from, timeout: 0 } })
  await contract.ask(alice, 'getEvents', { query: { from: 'none' } }, 400)
  await contract.ask(alice, 'peekEvents', { query: { from, room_id: roomId, timeout: 0 } })
  await contract.ask(alice, 'peekEvents', { query: { from, room_id: 'none' }, isWrong: true }, 400)
  await contract.ask(alice, 'getOneEvent', { path: { eventId: messages.chunk[0].event_id } })
  await contract.ask(alice, 'getOneEvent', { path: { eventId: `$${'A'.repeat(43)}` } }, 404)
}
