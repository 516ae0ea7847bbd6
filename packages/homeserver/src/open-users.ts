import type { ServerName, UserId } from '@kith/matrix-protocol'
import { AccountData } from './accounts/account-data.ts'
import { IgnoredUsers } from './accounts/ignored-users.ts'
import { Accounts } from './accounts/accounts.ts'
import { Devices } from './accounts/devices.ts'
import type { HomeserverConfig } from './homeserver.ts'
import { DeviceListChanges } from './keys/device-list-changes.ts'
import { Keys } from './keys/keys.ts'
import { ToDevice } from './keys/to-device.ts'
import type { Ports } from './ports/index.ts'
import type { Rooms } from './rooms/index.ts'
import type { Timeline } from './timeline/index.ts'

const PASSWORD_COST_LOG2 = 15

interface UsersParts {
  readonly serverName: ServerName
  readonly timeline: Timeline
  readonly rooms: Rooms
}

/** Who lives here: accounts, their devices and data, keys, and what is sent to devices. */
export async function openUsers(ports: Ports, { serverName, timeline, rooms }: UsersParts, config: HomeserverConfig) {
  const { storage } = ports
  const accounts = await Accounts.open(ports, {
    serverName,
    openRegistration: config.openRegistration,
    registrationTokens: config.registrationTokens ?? [],
    passwordCostLog2: config.passwordCostLog2 ?? PASSWORD_COST_LOG2,
  })
  const devices = await Devices.open(ports, accounts)
  const accountData = new AccountData(storage, timeline)
  const ignoredUsers = new IgnoredUsers(accountData)
  const changes = await DeviceListChanges.open(storage, timeline, (userId) => rooms.serversSharingRooms(userId))
  const keys = new Keys({ storage, changes, accounts, devices })
  const isInRooms = (userId: UserId): boolean => rooms.isInRooms(userId)
  const toDevice = await ToDevice.open({ ...ports, timeline, accounts, devices, isInRooms })
  return { accounts, devices, accountData, ignoredUsers, keys, toDevice }
}
