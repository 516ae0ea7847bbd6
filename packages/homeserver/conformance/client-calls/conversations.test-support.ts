import type { ClientContract } from '../client-contract.test-support.ts'

/** What is said in a room, and reading it. */
export async function callConversations(contract: ClientContract): Promise<void> {
  const said = await callSending(contract)
  await callReading(contract, said)
  await callRelations(contract, said)
  await callReceipts(contract, said)
  await callSearch(contract)
  await callReports(contract, said)
}

async function callSending(contract: ClientContract): Promise<string> {
  const { alice, bob, roomId } = contract
  const path = { roomId, eventType: 'm.room.message', txnId: 'first' }
  const body = { msgtype: 'm.text', body: 'Good morning', 'm.mentions': { user_ids: [bob.userId] } }
  const { event_id: eventId } = await contract.ask(alice, 'sendMessage', { path, body })
  const topic = { roomId, eventType: 'm.room.topic', stateKey: '' }
  await contract.ask(alice, 'setRoomStateWithKey', { path: topic, body: { topic: 'All and sundry' } })
  await contract.ask(bob, 'setRoomStateWithKey', { path: topic, body: { topic: 'mine' } }, 403)
  const wrong = await contract.ask(alice, 'sendMessage', { path: { ...path, txnId: 'second' }, body: { msgtype: 'm.text', body: 'oops' } })
  await contract.ask(alice, 'redactEvent', { path: { roomId, eventId: wrong.event_id, txnId: 'third' }, body: { reason: 'a slip' } })
  await contract.ask(alice, 'sendMessage', { path: { ...path, txnId: 'fraction' }, body: { msgtype: 'm.text', body: 'x', n: 1.5 } }, 400)
  return eventId
}

async function callReading(contract: ClientContract, eventId: string): Promise<void> {
  const { alice, bob, roomId, world } = contract
  const path = { roomId }
  const { chunk } = await contract.ask(alice, 'getRoomEvents', { path, query: { dir: 'b', limit: 2 } })
  await contract.ask(bob, 'getRoomEvents', { path, query: { dir: 'f', limit: 100, filter: '{"lazy_load_members":true}' } })
  if (chunk.length !== 2) throw new Error('The room has more events')
  await contract.ask(alice, 'getRoomState', { path })
  await contract.ask(alice, 'getMembersByRoom', { path, query: { membership: 'join' } })
  await contract.ask(alice, 'getMembersByRoom', { path, query: { not_membership: 'leave', at: (await alice.sync()).next_batch } })
  await contract.ask(alice, 'getJoinedMembersByRoom', { path })
  const topic = { roomId, eventType: 'm.room.topic', stateKey: '' }
  const content = await contract.ask(alice, 'getRoomStateWithKey', { path: topic })
  const event = await contract.ask(alice, 'getRoomStateWithKey', { path: topic, query: { format: 'event' } })
  if (event.content.topic !== content.topic || event.sender !== alice.userId) throw new Error('The state was no event')
  await contract.ask(alice, 'getRoomStateWithKey', { path: { ...topic, eventType: 'm.room.none' } }, 404)
  await contract.ask(alice, 'getOneRoomEvent', { path: { roomId, eventId } })
  await contract.ask(alice, 'getOneRoomEvent', { path: { roomId, eventId: `$${'A'.repeat(43)}` } }, 404)
  await contract.ask(alice, 'getEventContext', { path: { roomId, eventId }, query: { limit: 4, filter: '{"lazy_load_members":true}' } })
  const ts = world.clock.now()
  await contract.ask(alice, 'getEventByTimestamp', { path, query: { ts, dir: 'b' } })
  await contract.ask(alice, 'getEventByTimestamp', { path, query: { ts: ts + 1_000_000, dir: 'f' } }, 404)
}

async function callRelations(contract: ClientContract, eventId: string): Promise<void> {
  const { alice, bob, carol, roomId } = contract
  const relate = async (user: typeof alice, eventType: string, txnId: string, content: object): Promise<void> => {
    await contract.ask(user, 'sendMessage', { path: { roomId, eventType, txnId }, body: content })
  }
  const text = { msgtype: 'm.text', body: 'To you too' }
  await relate(alice, 'm.reaction', 'wave', { 'm.relates_to': { rel_type: 'm.annotation', event_id: eventId, key: '👋' } })
  await relate(carol, 'm.room.message', 'reply', { ...text, 'm.relates_to': { rel_type: 'm.thread', event_id: eventId } })
  await relate(alice, 'm.room.message', 'edit', {
    ...text,
    'm.new_content': text,
    'm.relates_to': { rel_type: 'm.replace', event_id: eventId },
  })
  const path = { roomId, eventId }
  await contract.ask(alice, 'getRelatingEvents', { path, query: { limit: 1, dir: 'f' } })
  await contract.ask(alice, 'getRelatingEventsWithRelType', { path: { ...path, relType: 'm.thread' } })
  await contract.until(
    async () => (await bob.call('GET', `/rooms/${encodeURIComponent(roomId)}/event/${eventId}`)).status === 200,
    'it arrives',
  )
  const kind = { relType: 'm.annotation', eventType: 'm.reaction' }
  await contract.ask(bob, 'getRelatingEventsWithRelTypeAndEventType', { path: { ...path, ...kind }, query: { recurse: true } })
  await contract.ask(alice, 'getRelatingEvents', { path: { roomId, eventId: `$${'A'.repeat(43)}` } }, 404)
  await contract.ask(alice, 'getThreadRoots', { path: { roomId }, query: { include: 'all', limit: 1 } })
  await contract.ask(carol, 'getThreadRoots', { path: { roomId }, query: { include: 'participated' } })
  await contract.ask(carol, 'getThreadRoots', { path: { roomId: await alice.createRoom() } }, 403)
  await contract.ask(alice, 'getThreadRoots', { path: { roomId }, query: { from: 'none' } }, 400)
}

async function callReceipts(contract: ClientContract, eventId: string): Promise<void> {
  const { alice, bob, roomId } = contract
  const path = { roomId, eventId }
  await contract.ask(alice, 'postReceipt', { path: { ...path, receiptType: 'm.read' }, body: {} })
  await contract.ask(alice, 'postReceipt', { path: { ...path, receiptType: 'm.read.private' }, body: { thread_id: 'main' } })
  await contract.ask(alice, 'postReceipt', { path: { ...path, receiptType: 'm.none' }, body: {}, isWrong: true }, 400)
  await contract.ask(bob, 'setReadMarker', { path: { roomId }, body: { 'm.fully_read': eventId, 'm.read': eventId } })
  const { userId } = alice
  await contract.ask(alice, 'setTyping', { path: { roomId, userId }, body: { typing: true, timeout: 30_000 } })
}

async function callSearch(contract: ClientContract): Promise<void> {
  const { alice, roomId } = contract
  const criteria = {
    search_term: 'morning',
    keys: ['content.body'],
    filter: { rooms: [roomId], limit: 5 },
    order_by: 'recent',
    event_context: { before_limit: 1, after_limit: 1, include_profile: true },
    include_state: true,
    groupings: { group_by: [{ key: 'room_id' }] },
  }
  await contract.ask(alice, 'search', { body: { search_categories: { room_events: criteria } } })
  await contract.ask(alice, 'search', { query: { next_batch: 'none' }, body: { search_categories: { room_events: criteria } } }, 400)
}

async function callReports(contract: ClientContract, eventId: string): Promise<void> {
  const { alice, bob, carol, roomId } = contract
  await contract.ask(carol, 'reportRoom', { path: { roomId }, body: { reason: 'too loud' } })
  await contract.ask(carol, 'reportEvent', { path: { roomId, eventId }, body: { reason: 'too early', score: -50 } })
  await contract.ask(carol, 'reportUser', { path: { userId: alice.userId }, body: { reason: 'too polite' } })
  await contract.ask(carol, 'reportEvent', { path: { roomId, eventId: `$${'A'.repeat(43)}` }, body: {} }, 404)
  await contract.ask(alice, 'getMutualRooms', { query: { user_id: bob.userId } })
  await contract.ask(alice, 'getMutualRooms', { query: { user_id: alice.userId } }, 400)
}
