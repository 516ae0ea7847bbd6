import type { JsonObject } from '@kith/matrix-protocol'
import { HostileServer } from '@kith/testkit/hostile/hostile-server'
import { expect, test } from 'vitest'
import { limits } from '../../limits.ts'
import { twoServersAndRelay } from '../settings.test-support.ts'
import { never } from '../simulated-server.test-support.ts'

test('a notary asks a server for its keys now and then, however often and for however long others want them', async () => {
  const { world, alice } = await twoServersAndRelay()
  // Connected to alice, and silent: of such a server nothing is remembered but that it was asked.
  const mallory = await new HostileServer(world, 'mallory').start()
  await mallory.call(alice.server, 'GET', '/v1/version')
  const asker = world.network.node(world.createIdentity().server)
  await asker.start(never)
  const query = async (): Promise<readonly unknown[]> => {
    const url = `https://${alice.server}/_matrix/key/v2/query/${mallory.server}?minimum_valid_until_ts=9000000000000000`
    const response = await world.finish(asker.request(alice.server, new Request(url), never))
    return ((await response.json()) as { server_keys: JsonObject[] }).server_keys
  }
  for (let count = 0; count < 5; count++) expect(await query()).toEqual([])
  expect(mallory.asked).toHaveLength(1)
  await world.run(limits.implementation.notaryRetryMs)
  for (let count = 0; count < 5; count++) await query()
  expect(mallory.asked).toHaveLength(2)
})
