import type { UserId } from '@kith/matrix-protocol'
import type { Accounts } from '../accounts/accounts.ts'
import type { AppServices } from './app-services.ts'

/** Whether the local user exists; one of an application service may come to be only when somebody asks for them. */
export async function existsOrIsMade(
  { accounts, appServices }: { readonly accounts: Accounts; readonly appServices: AppServices },
  userId: UserId,
  signal: AbortSignal,
): Promise<boolean> {
  if (accounts.exists(userId)) return true
  return (await appServices.makesUser(userId, signal)) && accounts.exists(userId)
}
