import type { ClientContract } from '../client-contract.test-support.ts'
import { callAccounts } from './accounts.test-support.ts'
import { callConversations } from './conversations.test-support.ts'
import { callKeys } from './keys.test-support.ts'
import { callMedia } from './media.test-support.ts'
import { callPush } from './push.test-support.ts'
import { callRooms } from './rooms.test-support.ts'
import { callSync } from './sync.test-support.ts'
import { callThirdParties } from './third-parties.test-support.ts'
import { callUserData } from './user-data.test-support.ts'

/** Every operation in a situation where it means something. */
export async function callAll(contract: ClientContract): Promise<void> {
  await callAccounts(contract)
  await callUserData(contract)
  await callRooms(contract)
  await callConversations(contract)
  await callKeys(contract)
  await callMedia(contract)
  await callPush(contract)
  await callThirdParties(contract)
  await callSync(contract)
}
