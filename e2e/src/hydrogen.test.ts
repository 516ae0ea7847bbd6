import { createCipheriv, createDecipheriv, createHash, randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { makeTemporaryFolder } from '@kith/testkit/node/temporary-folder'
import { eventually, PATIENCE_MS } from '@kith/testkit/eventually'
import type { Json } from '@kith/testkit/world/json'
import sharp from 'sharp'
import { expect, test } from 'vitest'
import { ApiAccount, askAt } from './api-account.ts'
import { ChromiumProcess } from './chromium-process.ts'
import { createServer } from './headless-constellation.ts'
import { HydrogenPage, serveHydrogen } from './hydrogen-page.ts'
import { passwordOf, registerSdkAccount, type SdkAccount } from './sdk-account.ts'

test('Hydrogen logs in, makes an encrypted room, and exchanges messages and pictures with matrix-js-sdk', async () => {
  await using cleanUp = new AsyncDisposableStack()
  const { path: directory } = cleanUp.use(await makeTemporaryFolder('kith-hydrogen-'))
  const server = await createServer(join(directory, 'server'), [])
  cleanUp.defer(async () => void (await server.process.end('SIGKILL')))
  await server.start()
  const alice = await ApiAccount.register(askAt(server.baseUrl), 'alice')
  const bob = await registerSdkAccount(server.baseUrl, 'bob')
  cleanUp.defer(() => bob.stop())
  const hydrogen = cleanUp.use(await serveHydrogen(join(directory, 'vite')))
  const chromium = cleanUp.use(new ChromiumProcess(join(directory, 'profile')))
  await chromium.start()
  const tab = await chromium.context.newPage()
  const failures: string[] = []
  tab.on('response', (response) => {
    if (response.url().includes('/_matrix/') && response.status() >= 400)
      failures.push(`${response.status()} ${new URL(response.url()).pathname}`)
  })
  await tab.goto(hydrogen.url)
  const page = new HydrogenPage(tab)
  await page.logIn(server.baseUrl, 'alice', passwordOf('alice'))
  await page.createRoom('from hydrogen')
  const roomId = await eventually('the room is there', PATIENCE_MS, async () => (await alice.joinedRooms())[0])
  const room = `/rooms/${encodeURIComponent(roomId)}`
  expect((await alice.ok('GET', `${room}/state/m.room.encryption/`)).algorithm).toBe('m.megolm.v1.aes-sha2')
  await alice.ok('POST', `${room}/invite`, { user_id: bob.userId })
  await eventually('bob is invited', PATIENCE_MS, () => bob.client.getRoom(roomId)?.getMyMembership() === 'invite')
  await bob.client.joinRoom(roomId)
  await page.waitForMessage('bob joined the room')

  await page.send('hello from hydrogen')
  await eventually('bob reads it', PATIENCE_MS, () => [...bob.messages.values()].includes('hello from hydrogen'))
  await bob.sendUntilAcknowledged(roomId, 'hello from the sdk')
  await page.waitForMessage('hello from the sdk')
  // Nothing of it was readable for the server.
  expect(await alice.messages(roomId)).toEqual([])

  const photo = await sharp({ create: { width: 120, height: 60, channels: 3, background: 'teal' } })
    .png()
    .toBuffer()
  await page.sendPhoto({ name: 'sea.png', mimeType: 'image/png', buffer: photo })
  const { file } = await eventually('bob has the picture', PATIENCE_MS, () => pictureIn(bob, roomId))
  expect(decrypt(file, await download(bob, file.url))).toEqual(photo)
  const wide = await sharp({ create: { width: 200, height: 80, channels: 3, background: 'olive' } })
    .png()
    .toBuffer()
  await sendPicture(bob, roomId, 'field.png', wide)
  expect(await page.widthOfPicture('field.png')).toBe(200)
  // An older kind of dehydrated devices is all that Hydrogen asks for in vain.
  expect(failures).toEqual(['404 /_matrix/client/unstable/org.matrix.msc2697.v2/dehydrated_device'])
})

function pictureIn(account: SdkAccount, roomId: string): Json {
  const events = account.client.getRoom(roomId)?.getLiveTimeline().getEvents() ?? []
  return events.map((event) => event.getContent()).find((content) => content['msgtype'] === 'm.image')
}

async function download(account: SdkAccount, uri: string): Promise<Buffer> {
  const url = account.client.mxcUrlToHttp(uri, undefined, undefined, undefined, false, true, true) ?? ''
  const response = await fetch(url, { headers: { authorization: `Bearer ${account.client.getAccessToken()}` } })
  expect(response.status).toBe(200)
  return Buffer.from(await response.arrayBuffer())
}

/** Spec: Client-Server API, Sending encrypted attachments. */
function decrypt(file: Json, encrypted: Buffer): Buffer {
  expect(createHash('sha256').update(encrypted).digest('base64').replaceAll('=', '')).toBe(file.hashes.sha256)
  const decipher = createDecipheriv('aes-256-ctr', Buffer.from(file.key.k, 'base64url'), Buffer.from(file.iv, 'base64'))
  return Buffer.concat([decipher.update(encrypted), decipher.final()])
}

async function sendPicture(account: SdkAccount, roomId: string, name: string, picture: Buffer): Promise<void> {
  const [key, iv] = [randomBytes(32), Buffer.concat([randomBytes(8), Buffer.alloc(8)])]
  const cipher = createCipheriv('aes-256-ctr', key, iv)
  const encrypted = Buffer.concat([cipher.update(picture), cipher.final()])
  const { content_uri: url } = await account.client.uploadContent(new Blob([encrypted]), { type: 'application/octet-stream' })
  const unpadded = (bytes: Buffer): string => bytes.toString('base64').replaceAll('=', '')
  const file = {
    v: 'v2',
    url,
    key: { kty: 'oct', alg: 'A256CTR', ext: true, key_ops: ['encrypt', 'decrypt'], k: key.toString('base64url') },
    iv: unpadded(iv),
    hashes: { sha256: unpadded(createHash('sha256').update(encrypted).digest()) },
  }
  const { width: w, height: h } = await sharp(picture).metadata()
  const content = { msgtype: 'm.image', body: name, file, info: { mimetype: 'image/png', size: picture.length, w, h } }
  await account.client.sendEvent(roomId, 'm.room.message' as never, content as never)
}
