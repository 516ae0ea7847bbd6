import { type JsonObject, type ServerName, unreachable } from '@kith/matrix-protocol'
import type { AccountData } from './accounts/account-data.ts'
import type { Accounts } from './accounts/accounts.ts'
import type { AppServices } from './app-services/app-services.ts'
import { existsOrIsMade } from './app-services/exists-or-is-made.ts'
import type { Ephemeral } from './ephemeral/index.ts'
import type { LocalUsers, UserEduType } from './federation/local-users.ts'
import type { Keys } from './keys/keys.ts'
import type { ToDevice } from './keys/to-device.ts'

/** What other servers may ask and tell of this server's users, answered by the parts that own it. */
export function localUsersOf(parts: {
  readonly accounts: Accounts
  readonly accountData: AccountData
  readonly keys: Keys
  readonly toDevice: ToDevice
  readonly ephemeral: Ephemeral
  readonly appServices: AppServices
}): LocalUsers {
  const { accounts, accountData, keys, toDevice, ephemeral, appServices } = parts
  return {
    exists: (userId) => accounts.exists(userId),
    existsOrIsMade: (userId, signal) => existsOrIsMade(parts, userId, signal),
    makesAlias: (alias, signal) => appServices.makesAlias(alias, signal),
    blocksInvites: (userId) => accountData.blocksInvites(userId),
    profileOf: (userId) => accounts.profile(userId),
    queryKeys: (userIds) => keys.queryLocal(userIds),
    claimKeys: (claims) => keys.claimLocal(claims),
    devicesOf: (userId) => keys.localUserDevices(userId),
    receiveEdu: (origin, type, content) => receiveEdu(origin, type, content),
  }

  function receiveEdu(origin: ServerName, type: UserEduType, content: JsonObject): Promise<void> {
    switch (type) {
      case 'm.direct_to_device':
        return toDevice.receive(origin, content)
      case 'm.device_list_update':
        return keys.receiveDeviceListUpdate(origin, content)
      case 'm.signing_key_update':
        return keys.receiveSigningKeyUpdate(origin, content)
      case 'm.typing':
        return ephemeral.receiveTyping(origin, content)
      case 'm.receipt':
        return ephemeral.receiveReceipts(origin, content)
      case 'm.presence':
        return ephemeral.receivePresence(origin, content)
      default:
        return unreachable(type)
    }
  }
}
