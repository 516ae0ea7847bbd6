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
  await callSections(contract)
  await callOldSync(contract, since)
}

/** A user who is invited, knocks, has left, gets messages to the device, and sees others come, write and change their keys. */
async function callSections(contract: ClientContract): Promise<void> {
  const { alice, carol, roomId } = contract
  const { next_batch: since } = await contract.ask(carol, 'sync')
  await alice.createRoom({ invite: [carol.userId], is_direct: true, name: 'You and me' })
  const rule = { type: 'm.room.join_rules', state_key: '', content: { join_rule: 'knock' } }
  await contract.ask(carol, 'knockRoom', { path: { roomIdOrAlias: await alice.createRoom({ initial_state: [rule] }) }, body: {} })
  const left = await alice.createRoom({ preset: 'public_chat' })
  await contract.ask(carol, 'joinRoomById', { path: { roomId: left }, body: {} })
  await contract.ask(carol, 'leaveRoom', { path: { roomId: left }, body: {} })
  const messages = { [carol.userId]: { '*': { text: 'hm' } } }
  await contract.ask(alice, 'sendToDevice', { path: { eventType: 'org.example.note', txnId: 'two' }, body: { messages } })
  await contract.ask(alice, 'setPresence', { path: { userId: alice.userId }, body: { presence: 'unavailable' } })
  await contract.ask(alice, 'setRoomTag', { path: { userId: alice.userId, roomId, tag: 'u.work' }, body: {} })
  const eventId = await alice.say(roomId, `Good evening, ${carol.userId}`)
  await contract.ask(alice, 'postReceipt', { path: { roomId, eventId, receiptType: 'm.read' }, body: {} })
  const filter = JSON.stringify({ room: { include_leave: true } })
  const { rooms } = await contract.ask(carol, 'sync', { query: { since, filter } })
  const sections = [rooms.join, rooms.invite, rooms.knock, rooms.leave].map((section) => Object.keys(section ?? {}).length > 0)
  if (sections.includes(false)) throw new Error(`The sync lacks sections: ${String(sections)}`)
  await contract.ask(carol, 'sync', { query: { filter, full_state: true } })
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
