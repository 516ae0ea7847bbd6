import type { ClientContract } from '../client-contract.test-support.ts'

/** What a user keeps on the server and what others learn of them. */
export async function callUserData(contract: ClientContract): Promise<void> {
  await callProfiles(contract)
  await callAccountData(contract)
  await callOthers(contract)
}

async function callProfiles(contract: ClientContract): Promise<void> {
  const { alice, bob, home } = contract
  const { userId } = alice
  await contract.ask(alice, 'setProfileField', { path: { userId, keyName: 'displayname' }, body: { displayname: 'Alice' } })
  const avatar = `mxc://${home.identity.server}/AAAA`
  await contract.ask(alice, 'setProfileField', { path: { userId, keyName: 'avatar_url' }, body: { avatar_url: avatar } })
  await contract.ask(alice, 'setProfileField', { path: { userId, keyName: 'm.tz' }, body: { 'm.tz': 'Europe/London' } })
  await contract.ask(home, 'getUserProfile', { path: { userId } })
  await contract.ask(bob, 'getUserProfile', { path: { userId } })
  await contract.ask(bob, 'getProfileField', { path: { userId, keyName: 'displayname' } })
  await contract.ask(alice, 'deleteProfileField', { path: { userId, keyName: 'm.tz' } })
  await contract.ask(alice, 'getProfileField', { path: { userId, keyName: 'm.tz' } }, 404)
  await contract.ask(alice, 'setProfileField', { path: { userId: bob.userId, keyName: 'displayname' }, body: { displayname: 'no' } }, 403)
}

async function callAccountData(contract: ClientContract): Promise<void> {
  const { alice, bob, roomId } = contract
  const { userId } = alice
  const own = { userId, type: 'org.example.colours' }
  await contract.ask(alice, 'setAccountData', { path: own, body: { sky: 'blue' } })
  await contract.ask(alice, 'getAccountData', { path: own })
  await contract.ask(alice, 'getAccountData', { path: { ...own, type: 'org.example.none' } }, 404)
  await contract.ask(alice, 'getAccountData', { path: { ...own, userId: bob.userId } }, 403)
  await contract.ask(alice, 'setAccountData', { path: { ...own, type: 'm.push_rules' }, body: {} }, 405)
  await contract.ask(alice, 'setAccountDataPerRoom', { path: { ...own, roomId }, body: { sky: 'grey' } })
  await contract.ask(alice, 'getAccountDataPerRoom', { path: { ...own, roomId } })
  await contract.ask(alice, 'setAccountDataPerRoom', { path: { ...own, roomId, type: 'm.fully_read' }, body: {} }, 405)
  const tag = { userId, roomId, tag: 'm.favourite' }
  await contract.ask(alice, 'setRoomTag', { path: tag, body: { order: 0.25 } })
  await contract.ask(alice, 'getRoomTags', { path: { userId, roomId } })
  await contract.ask(alice, 'deleteRoomTag', { path: tag })
  const { filter_id: filterId } = await contract.ask(alice, 'defineFilter', { path: { userId }, body: aFilter(roomId) })
  await contract.ask(alice, 'getFilter', { path: { userId, filterId } })
  await contract.ask(alice, 'getFilter', { path: { userId, filterId: 'none' } }, 404)
}

function aFilter(roomId: string): object {
  return {
    event_fields: ['type', 'content', 'sender'],
    presence: { not_types: ['*'] },
    account_data: { limit: 5 },
    room: {
      rooms: [roomId],
      include_leave: true,
      timeline: { limit: 3, types: ['m.room.message'], unread_thread_notifications: true },
      state: { lazy_load_members: true },
      ephemeral: { not_types: ['m.typing'] },
    },
  }
}

async function callOthers(contract: ClientContract): Promise<void> {
  const { alice, bob, carol } = contract
  const { userId } = alice
  await contract.ask(alice, 'setPresence', { path: { userId }, body: { presence: 'online', status_msg: 'In the square' } })
  await contract.ask(carol, 'getPresence', { path: { userId } })
  await contract.ask(carol, 'setPresence', { path: { userId }, body: { presence: 'offline' } }, 403)
  await contract.ask(alice, 'searchUserDirectory', { body: { search_term: 'bob', limit: 5 } })
  await contract.ask(alice, 'searchUserDirectory', { body: { search_term: bob.userId } })
}
