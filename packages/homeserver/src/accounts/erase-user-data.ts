import type { UserId } from '@kith/matrix-protocol'
import { type Key, type Storage, type StoredValue, type Table, WriteBatch } from '../ports/storage.ts'
import { accountsTables } from './tables.ts'

const pageSize = 1000

/**
 * What clients kept here for a user: account data, filters, profile. Once it is gone, another call changes nothing.
 * @param others tables of other parts whose keys begin with the user.
 */
export async function eraseUserData(storage: Storage, userId: UserId, others: readonly Table<Key, StoredValue>[]): Promise<void> {
  const { accountData, accountDataByPosition, filters, profiles, clientTransactions } = accountsTables
  const own = [accountData, accountDataByPosition, filters, profiles, clientTransactions]
  for (const table of [...own, ...others]) await eraseRows(storage, table, userId)
}

async function eraseRows(storage: Storage, table: Table<Key, StoredValue>, userId: UserId): Promise<void> {
  for (;;) {
    const rows = await storage.range(table, { prefix: [userId], limit: pageSize })
    if (rows.length === 0) return
    const batch = new WriteBatch()
    for (const { key } of rows) batch.delete(table, key)
    await storage.commit(batch.writes)
  }
}
