import { join } from 'node:path'
import { homeserverTableNames } from '@kith/homeserver/storage-schema'
import { openSqliteStorage } from '@kith/storage/sqlite'
import { checkStore } from '@kith/testkit/store-check'
import { test } from 'vitest'
import { ApiAccount, askAt } from './api-account.ts'
import { type Server, startConstellation } from './headless-constellation.ts'
import type { KillVictim } from './kill-victim.ts'
import { expectInterrupted, killDuringJoins, killDuringReceivedBursts, killDuringSentBursts, type KillSetting } from './room-kills.ts'
import { seededRandom } from './seeded-random.ts'

const ROUNDS = Number(process.env.KITH_KILL_ROUNDS ?? 6)
const BURST_ROUNDS = Math.ceil(ROUNDS / 2)
const GUESTS = 8
const seed = Number(process.env.KITH_SEED ?? 20261121)

function victimOn(server: Server, account: ApiAccount): KillVictim {
  return {
    account,
    kill: async () => void (await server.process.end('SIGKILL')),
    checkStore: async () => {
      const path = join(server.dataDirectory, 'homeserver.sqlite')
      await using storage = openSqliteStorage({ path, tableNames: homeserverTableNames })
      return await checkStore(storage)
    },
    start: async () => server.start(),
  }
}

test(`a server on SQLite is killed in joins and in bursts over ${ROUNDS} rounds, and its rooms are whole (KITH_SEED=${seed})`, async () => {
  await using constellation = await startConstellation([[0], [0]])
  const [hosting, killed] = constellation.servers
  if (hosting === undefined || killed === undefined) throw new Error('two servers were asked for')
  const ask = askAt(hosting.baseUrl)
  const host = await ApiAccount.register(ask, 'alice')
  const guests = await Promise.all(Array.from({ length: GUESTS }, async (_, index) => ApiAccount.register(ask, `guest-${index}`)))
  const victim = victimOn(killed, await ApiAccount.register(askAt(killed.baseUrl), 'bob'))
  const setting: KillSetting = { victim, host, guests, random: seededRandom(seed) }

  expectInterrupted({
    moments: await killDuringJoins(setting, ROUNDS),
    received: await killDuringReceivedBursts(setting, BURST_ROUNDS),
    acknowledged: await killDuringSentBursts(setting, BURST_ROUNDS),
  })
}, 600_000)
