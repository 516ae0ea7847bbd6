import type { ClientContract } from '../client-contract.test-support.ts'

/** Making rooms, who is in them, what they are called, and spaces. */
export async function callRooms(contract: ClientContract): Promise<void> {
  await callCreation(contract)
  await callInvites(contract)
  await callRefusals(contract)
  await callKnocks(contract)
  await callNames(contract)
  await callSpaces(contract)
  await callUpgrade(contract)
}

async function callCreation(contract: ClientContract): Promise<void> {
  const { alice, bob } = contract
  const whole = {
    preset: 'trusted_private_chat',
    visibility: 'private',
    room_alias_name: 'cellar',
    name: 'The cellar',
    topic: 'Wine',
    invite: [bob.userId],
    is_direct: false,
    room_version: '11',
    creation_content: { 'm.federate': true },
    initial_state: [{ type: 'm.room.guest_access', state_key: '', content: { guest_access: 'forbidden' } }],
    power_level_content_override: { invite: 50 },
  }
  await contract.ask(alice, 'createRoom', { body: whole })
  await contract.ask(alice, 'createRoom', { body: {} })
  await contract.ask(alice, 'createRoom', { body: { room_alias_name: 'cellar' } }, 400)
  await contract.ask(alice, 'createRoom', { body: { room_version: 'none' } }, 400)
  await contract.ask(alice, 'getJoinedRooms')
}

async function callInvites(contract: ClientContract): Promise<void> {
  const { alice, bob, carol } = contract
  const { room_id: roomId } = await contract.ask(alice, 'createRoom', { body: { preset: 'private_chat', name: 'The attic' } })
  const path = { roomId }
  await contract.ask(alice, 'inviteUser', { path, body: { user_id: carol.userId, reason: 'tea' } })
  await contract.ask(carol, 'joinRoomById', { path, body: { reason: 'thirsty' } })
  await contract.ask(alice, 'inviteUser', { path, body: { user_id: carol.userId } }, 403)
  await contract.ask(alice, 'inviteUser', { path, body: { user_id: bob.userId } })
  await contract.until(async () => (await bob.sync()).rooms.invite[roomId] !== undefined, 'the invite arrives')
  await contract.ask(bob, 'joinRoom', { path: { roomIdOrAlias: roomId }, body: {} })
  await contract.ask(alice, 'kick', { path, body: { user_id: carol.userId, reason: 'spilt the tea' } })
  await contract.ask(carol, 'kick', { path, body: { user_id: alice.userId } }, 403)
  await contract.ask(alice, 'ban', { path, body: { user_id: carol.userId } })
  await contract.ask(carol, 'ban', { path, body: { user_id: alice.userId } }, 403)
  await contract.ask(carol, 'joinRoomById', { path, body: {} }, 403)
  await contract.ask(alice, 'unban', { path, body: { user_id: carol.userId, reason: 'was a mistake' } })
  await contract.ask(alice, 'unban', { path, body: { user_id: carol.userId } }, 403)
  await contract.ask(bob, 'leaveRoom', { path, body: { reason: 'late' } })
  await contract.ask(bob, 'forgetRoom', { path })
  await contract.ask(alice, 'forgetRoom', { path }, 400)
}

async function callRefusals(contract: ClientContract): Promise<void> {
  const { alice, carol } = contract
  const roomId = await alice.createRoom()
  const { roomId: shared } = contract
  await contract.ask(carol, 'getRoomState', { path: { roomId } }, 403)
  await contract.ask(carol, 'getMembersByRoom', { path: { roomId } }, 403)
  await contract.ask(carol, 'getJoinedMembersByRoom', { path: { roomId } }, 403)
  await contract.ask(carol, 'getRoomEvents', { path: { roomId }, query: { dir: 'b' } }, 403)
  await contract.ask(carol, 'getRoomStateWithKey', { path: { roomId, eventType: 'm.room.create', stateKey: '' } }, 403)
  await contract.ask(carol, 'getLocalAliases', { path: { roomId } }, 403)
  await contract.ask(carol, 'upgradeRoom', { path: { roomId: shared }, body: { new_version: '12' } }, 403)
  await contract.ask(carol, 'upgradeRoom', { path: { roomId: shared }, body: { new_version: 'none' } }, 400)
  const address = { id_server: 'id.example.org', id_access_token: 'abc', medium: 'email', address: 'erin@example.org' }
  await contract.ask(alice, 'inviteBy3PID', { path: { roomId }, body: address }, 400)
}

async function callKnocks(contract: ClientContract): Promise<void> {
  const { alice, bob, carol, home } = contract
  const rule = { type: 'm.room.join_rules', state_key: '', content: { join_rule: 'knock' } }
  const roomId = await alice.createRoom({ preset: 'private_chat', initial_state: [rule] })
  const path = { roomIdOrAlias: roomId }
  await contract.ask(carol, 'knockRoom', { path, body: { reason: 'rain' } })
  await contract.ask(bob, 'knockRoom', { path, query: { via: [home.identity.server] }, body: {} })
  await contract.ask(alice, 'ban', { path: { roomId }, body: { user_id: carol.userId } })
  await contract.ask(carol, 'knockRoom', { path, body: {} }, 403)
  await contract.ask(carol, 'knockRoom', { path: { roomIdOrAlias: `#none:${home.identity.server}` }, body: {} }, 404)
}

async function callNames(contract: ClientContract): Promise<void> {
  const { alice, bob, carol, home, roomId } = contract
  const { server } = home.identity
  const path = { roomAlias: `#market:${server}` }
  await contract.ask(alice, 'setRoomAlias', { path, body: { room_id: roomId } })
  await contract.ask(alice, 'setRoomAlias', { path, body: { room_id: roomId } }, 409)
  await contract.ask(home, 'getRoomIdByAlias', { path })
  await contract.ask(bob, 'getRoomIdByAlias', { path })
  await contract.ask(alice, 'getLocalAliases', { path: { roomId } })
  await contract.ask(carol, 'deleteRoomAlias', { path }, 403)
  await contract.ask(alice, 'deleteRoomAlias', { path })
  await contract.ask(alice, 'deleteRoomAlias', { path }, 404)
  await contract.ask(home, 'getRoomIdByAlias', { path }, 404)
  await contract.ask(alice, 'setRoomVisibilityOnDirectory', { path: { roomId }, body: { visibility: 'public' } })
  await contract.ask(home, 'getRoomVisibilityOnDirectory', { path: { roomId } })
  await contract.ask(alice, 'setRoomVisibilityOnDirectory', { path: { roomId: `!${'A'.repeat(43)}` }, body: {} }, 404)
  await contract.ask(home, 'getPublicRooms', { query: { limit: 5 } })
  await contract.ask(bob, 'getPublicRooms', { query: { server } })
  await contract.ask(bob, 'queryPublicRooms', { query: { server }, body: { filter: { generic_search_term: 'square' }, limit: 2 } })
}

async function callSpaces(contract: ClientContract): Promise<void> {
  const { alice, bob, carol, home, roomId } = contract
  const { server } = home.identity
  // Of a version whose ids name a server: it tells another server whom to ask.
  const creation = { room_version: '11', creation_content: { type: 'm.space' } }
  const space = await alice.createRoom({ preset: 'public_chat', name: 'The town', ...creation })
  const child = { roomId: space, eventType: 'm.space.child', stateKey: roomId }
  await contract.ask(alice, 'setRoomStateWithKey', { path: child, body: { via: [server], suggested: true } })
  const query = { suggested_only: false, limit: 10, max_depth: 3 }
  await contract.ask(alice, 'getSpaceHierarchy', { path: { roomId: space }, query })
  await contract.ask(bob, 'getSpaceHierarchy', { path: { roomId: space }, query: { suggested_only: true } })
  await contract.ask(alice, 'getSpaceHierarchy', { path: { roomId: space }, query: { from: 'none' } }, 400)
  await contract.ask(carol, 'getSpaceHierarchy', { path: { roomId: await alice.createRoom() } }, 403)
  await contract.ask(alice, 'getRoomSummary', { path: { roomIdOrAlias: space } })
  await contract.ask(bob, 'getRoomSummary', { path: { roomIdOrAlias: `#square:${server}` }, query: { via: [server] } })
  await contract.ask(alice, 'getRoomSummary', { path: { roomIdOrAlias: `#none:${server}` } }, 404)
}

async function callUpgrade(contract: ClientContract): Promise<void> {
  const roomId = await contract.alice.createRoom({ preset: 'public_chat', room_version: '10', name: 'The harbour' })
  await contract.ask(contract.alice, 'upgradeRoom', { path: { roomId }, body: { new_version: '12' } })
}
