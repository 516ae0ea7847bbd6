import { join } from 'node:path'
import { makeTemporaryFolder } from '@kith/testkit/node/temporary-folder'
import { test } from 'vitest'
import { ApiAccount, askAt } from './api-account.ts'
import { startBrowserVictim } from './browser-victim.ts'
import { createServer } from './headless-constellation.ts'
import { expectInterrupted, killDuringJoins, killDuringReceivedBursts, killDuringSentBursts, type KillSetting } from './room-kills.ts'
import { seededRandom } from './seeded-random.ts'
import { startWebApp } from './web-app-process.ts'

const ROUNDS = Number(process.env.KITH_KILL_ROUNDS ?? 4)
const BURST_ROUNDS = Math.ceil(ROUNDS / 2)
const GUESTS = 8
const seed = Number(process.env.KITH_SEED ?? 20261121)

test(`a server in Chromium is killed in joins and in bursts over ${ROUNDS} rounds, and its rooms are whole (KITH_SEED=${seed})`, async () => {
  await using cleanUp = new AsyncDisposableStack()
  const { path: directory } = cleanUp.use(await makeTemporaryFolder('kith-kills-'))
  const app = cleanUp.use(await startWebApp('all'))
  const hosting = await createServer(join(directory, 'host'), await relayAddresses(app.url))
  cleanUp.defer(async () => void (await hosting.process.end('SIGKILL')))
  await hosting.start()
  const ask = askAt(hosting.baseUrl)
  const host = await ApiAccount.register(ask, 'alice')
  const guests = await Promise.all(Array.from({ length: GUESTS }, async (_, index) => ApiAccount.register(ask, `guest-${index}`)))
  const victim = cleanUp.use(await startBrowserVictim(app.url, join(directory, 'profile')))
  const setting: KillSetting = { victim, host, guests, random: seededRandom(seed) }

  expectInterrupted({
    moments: await killDuringJoins(setting, ROUNDS),
    received: await killDuringReceivedBursts(setting, BURST_ROUNDS),
    acknowledged: await killDuringSentBursts(setting, BURST_ROUNDS),
  })
}, 600_000)

/** As the page is told them. */
async function relayAddresses(appUrl: string): Promise<string[]> {
  const config: { readonly relays: string[] } = await (await fetch(`${appUrl}/kith-config.json`)).json()
  return config.relays.filter((address) => address.includes('/ws/'))
}
