import { suiteTableNames as tableNames } from '@kith/testkit/storage-cases'
import { storageSuite } from '@kith/testkit/storage-suite'
import { MemoryDisk, openMemoryStorage } from './memory-storage.ts'

const disks = new Map<string, MemoryDisk>()

storageSuite('memory', async (place, faultPoint) => {
  const disk = disks.getOrInsertComputed(place, () => new MemoryDisk())
  return openMemoryStorage(faultPoint === undefined ? { disk, tableNames } : { disk, tableNames, faultPoint })
})
