import { eventually, PATIENCE_MS } from '@kith/testkit/eventually'
import { type ICreateRoomOpts, Preset } from 'matrix-js-sdk'
import type { SdkAccount } from './sdk-account.ts'

/** A new room of the first account's, in which each has seen that the other is. */
export async function enterTogether(alice: SdkAccount, bob: SdkAccount, options: ICreateRoomOpts): Promise<string> {
  const { room_id: roomId } = await alice.client.createRoom({ ...options, invite: [bob.userId] })
  await eventually('the invite arrives', PATIENCE_MS, () => bob.client.getRoom(roomId)?.getMyMembership() === 'invite')
  await bob.client.joinRoom(roomId)
  await eventually('both are members for both', PATIENCE_MS, () =>
    [alice, bob].every((account) => account.client.getRoom(roomId)?.getJoinedMembers().length === 2),
  )
  return roomId
}

/** A room in which both have read each other. `greetings`: the ids of the messages that showed it. */
export async function startEncryptedChat(alice: SdkAccount, bob: SdkAccount): Promise<{ roomId: string; greetings: ReadonlySet<string> }> {
  const roomId = await enterTogether(alice, bob, {
    preset: Preset.TrustedPrivateChat,
    is_direct: true,
    initial_state: [{ type: 'm.room.encryption', state_key: '', content: { algorithm: 'm.megolm.v1.aes-sha2' } }],
  })
  const greeting = await alice.sendUntilAcknowledged(roomId, 'hello from alice')
  const answer = await bob.sendUntilAcknowledged(roomId, 'hello from bob')
  await eventually('the greetings are readable', PATIENCE_MS, () => bob.messages.has(greeting) && alice.messages.has(answer))
  return { roomId, greetings: new Set([greeting, answer]) }
}
