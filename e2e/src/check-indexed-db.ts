import { homeserverSchemaVersion, homeserverTableNames } from '@kith/homeserver/storage-schema'
import { openDexieStorage } from '@kith/storage/dexie'
import { checkStore } from '@kith/testkit/store-check'

/** Runs in a page of the app's origin, in which the app itself does not run. */
async function checkIndexedDb(name: string) {
  await using storage = await openDexieStorage({ name, tableNames: homeserverTableNames, version: homeserverSchemaVersion })
  const { faults, roomIds, accepted } = await checkStore(storage)
  return { faults, roomIds: [...roomIds], accepted: [...accepted] }
}

Object.assign(globalThis, { checkIndexedDb })
