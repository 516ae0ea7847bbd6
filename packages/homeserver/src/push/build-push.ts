import type { ServerName, UserId } from '@kith/matrix-protocol'
import type { Accounts } from '../accounts/accounts.ts'
import type { AccountData } from '../accounts/account-data.ts'
import type { Devices } from '../accounts/devices.ts'
import type { IgnoredUsers } from '../accounts/ignored-users.ts'
import type { Receipts } from '../ephemeral/receipts.ts'
import type { Ports } from '../ports/index.ts'
import type { Rooms } from '../rooms/index.ts'
import type { Timeline } from '../timeline/index.ts'
import { Notifications, type NotificationsParts } from './notifications.ts'
import { PushRules } from './push-rules.ts'
import { Pushers } from './pushers.ts'

interface PushParts {
  readonly serverName: ServerName
  readonly timeline: Timeline
  readonly rooms: Rooms
  readonly receipts: Receipts
  readonly visibility: NotificationsParts['visibility']
  readonly accounts: Accounts
  readonly accountData: AccountData
  readonly devices: Devices
  readonly ignoredUsers: IgnoredUsers
}

/** Push rules, the notifications that follow from them, and their delivery to gateways, where there is a way to those, until it is disposed. */
export async function buildPush(ports: Ports, parts: PushParts, opened: AsyncDisposableStack) {
  const pushRules = new PushRules(parts.accountData)
  const notifications = opened.use(await Notifications.open({ ...ports, ...parts, pushRules }))
  const pushers = await Pushers.open(ports.storage)
  const { pushGateway: gateway } = ports
  if (gateway !== undefined) {
    const hasDevice = (userId: UserId, deviceId: string): boolean => parts.devices.get(userId, deviceId) !== undefined
    const mayHear = (userId: UserId): boolean => !parts.accounts.isRestricted(userId, 'locked')
    // Nodes in browsers have no gateway, and so do not load this.
    const { PushDelivery } = await import('./push-delivery.ts')
    opened.use(new PushDelivery({ ...ports, ...parts, pushers, pushRules, notifications, gateway, hasDevice, mayHear }))
  }
  return { pushRules, notifications, pushers }
}
