import type { ServerName } from '@kith/matrix-protocol'
import type { Accounts } from '../accounts/accounts.ts'
import type { Ports } from '../ports/index.ts'
import { AppServices } from './app-services.ts'
import type { DeliveryParts } from './delivery.ts'
import { NetworkRooms } from './network-rooms.ts'
import type { AppServiceRegistration } from './registration.ts'

/**
 * The application services of this node with their senders' accounts, and what tells them of what happens, until it is disposed.
 * @throws RangeError when a registration cannot be followed.
 */
export async function buildAppServices(
  ports: Ports,
  parts: Omit<DeliveryParts, 'storage' | 'random' | 'log' | 'clock' | 'calls'> & {
    readonly accounts: Accounts
    readonly serverName: ServerName
  },
  config: { readonly appServices?: readonly AppServiceRegistration[] },
  opened: AsyncDisposableStack,
) {
  const { appServiceClient: client } = ports
  const { appServices: registrations = [] } = config
  const networkRooms = await NetworkRooms.open(ports.storage)
  if (registrations.length === 0 || client === undefined) {
    return { appServices: new AppServices(registrations, parts.serverName, undefined), networkRooms }
  }
  // Most nodes have no services, and so do not load this.
  const { AppServiceCalls } = await import('./app-service-calls.ts')
  const { AppServiceDelivery } = await import('./delivery.ts')
  const calls = new AppServiceCalls(client)
  const appServices = new AppServices(registrations, parts.serverName, calls)
  for (const { registration, senderId } of appServices.all) {
    const outcome = await parts.accounts.register({ localpart: registration.senderLocalpart, appServiceId: registration.id })
    const isOwn = outcome.kind === 'registered' || parts.accounts.appServiceOf(senderId) === registration.id
    if (!isOwn)
      throw new RangeError(`The sender ${senderId} of the application service ${registration.id} is somebody else, or cannot be a user`)
  }
  opened.use(await AppServiceDelivery.open({ ...ports, ...parts, calls }, appServices.all))
  return { appServices, networkRooms }
}
