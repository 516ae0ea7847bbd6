import { mkdtemp, rm } from 'node:fs/promises'
import { createServer as createHttpServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { eventually, PATIENCE_MS } from '@kith/testkit/eventually'
import type { Json } from '@kith/testkit/world/json'
import sharp from 'sharp'
import { expect, test } from 'vitest'
import { buildCommandIfNeeded } from '../../apps/headless/src/build/build-command.ts'
import { ApiAccount, askAt } from './api-account.ts'
import { createServer } from './headless-constellation.ts'

/** What a push gateway was told, of which it refuses the first few. */
async function startGateway(refusals: number) {
  const told: Json[] = []
  const server = createHttpServer((request, response) => {
    let body = ''
    request.on('data', (piece: Buffer) => (body += piece.toString()))
    request.on('end', () => {
      told.push(JSON.parse(body).notification)
      response.writeHead(told.length > refusals ? 200 : 503, { 'content-type': 'application/json' }).end('{"rejected":[]}')
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    told,
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/_matrix/push/v1/notify`,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

test('a headless node makes thumbnails, gives parts of files, and tells push gateways also what came before it was killed', async () => {
  await using cleanUp = new AsyncDisposableStack()
  const directory = await mkdtemp(join(tmpdir(), 'kith-media-'))
  cleanUp.defer(async () => rm(directory, { recursive: true, force: true }))
  const gateway = cleanUp.use(await startGateway(2))
  // As it is built, because what makes thumbnails and calls gateways is in scripts that are loaded only then.
  const command = await buildCommandIfNeeded(() => undefined)
  const server = await createServer(join(directory, 'server'), [], ['--allow-insecure-push'], command)
  cleanUp.defer(async () => void (await server.process.end('SIGKILL')))
  await server.start()
  const alice = await ApiAccount.register(askAt(server.baseUrl), 'alice')
  const bob = await ApiAccount.register(askAt(server.baseUrl), 'bob')

  const authorization = `Bearer ${alice.accessToken}`
  const photo = await sharp({ create: { width: 1200, height: 600, channels: 3, background: 'teal' } })
    .jpeg()
    .toBuffer()
  const uploading = { method: 'POST', headers: { authorization, 'content-type': 'image/jpeg' }, body: new Uint8Array(photo) }
  const { content_uri: uri } = (await (await fetch(`${server.baseUrl}/_matrix/media/v3/upload`, uploading)).json()) as {
    content_uri: string
  }
  const media = `${server.baseUrl}/_matrix/client/v1/media`
  const path = uri.slice('mxc://'.length)
  const thumbnail = await fetch(`${media}/thumbnail/${path}?width=300&height=200&method=scale`, { headers: { authorization } })
  const { format, width, height } = await sharp(Buffer.from(await thumbnail.arrayBuffer())).metadata()
  expect([thumbnail.status, format, width, height]).toEqual([200, 'jpeg', 320, 160])
  const part = await fetch(`${media}/download/${path}`, { headers: { authorization, range: 'bytes=2-9' } })
  expect([part.status, Buffer.from(await part.arrayBuffer())]).toEqual([206, photo.subarray(2, 10)])
  const preview = await fetch(`${media}/preview_url?url=${encodeURIComponent(gateway.url)}`, { headers: { authorization } })
  expect(preview.status).toBe(403)

  const { room_id: roomId } = await alice.ok('POST', '/createRoom', { invite: [bob.userId] })
  await bob.ok('POST', `/join/${encodeURIComponent(roomId)}`, {})
  const pusher = { kind: 'http', app_id: 'a', pushkey: 'k', app_display_name: 'A', device_display_name: 'D', lang: 'en' }
  await bob.ok('POST', '/pushers/set', { ...pusher, data: { url: gateway.url } })
  const sent = await alice.sendUntilAcknowledged(roomId, 'hello')
  await eventually('the gateway is told', PATIENCE_MS, () => gateway.told.length > 0)
  await server.process.end('SIGKILL')
  await server.start()
  await eventually('it is told again', PATIENCE_MS, () => gateway.told.length > 2)
  expect(gateway.told.map(({ event_id: eventId }) => eventId)).toEqual(gateway.told.map(() => sent))
})
