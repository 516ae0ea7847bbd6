import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { ThumbnailOrder } from '@kith/homeserver/ports'
import type { Page } from 'playwright-core'
import sharp, { type Sharp } from 'sharp'
import { build } from 'vite'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { servePage } from '../src/start/page-server.ts'
import { openProfile } from './test-page.ts'
import type { MakeThumbnail } from './thumbnail-page/thumbnail-page.ts'

declare const makeThumbnail: MakeThumbnail

const scaled: ThumbnailOrder = { width: 320, height: 240, method: 'scale', animated: true, pixelsMax: 1_000_000, durationMsMax: 10_000 }
const cropped: ThumbnailOrder = { ...scaled, width: 96, height: 96, method: 'crop' }

const opened = new AsyncDisposableStack()
let page: Page

beforeAll(async () => {
  const directory = await mkdtemp(join(tmpdir(), 'kith-thumbnails-'))
  opened.defer(async () => rm(directory, { recursive: true, force: true }))
  await build({
    configFile: false,
    root: join(import.meta.dirname, 'thumbnail-page'),
    logLevel: 'warn',
    build: { outDir: directory, emptyOutDir: true, target: 'es2022' },
    worker: { format: 'es' },
  })
  const server = opened.use(await servePage({ directory, port: 0, config: () => ({ relays: [] }) }))
  const { context } = opened.use(await openProfile())
  page = await context.newPage()
  await page.goto(`http://localhost:${server.port}`)
  await page.waitForFunction(() => 'makeThumbnail' in globalThis)
})

afterAll(async () => opened.disposeAsync())

/** Red above, blue below. */
function flag(width: number, height: number): Sharp {
  const half = { width, height: height / 2, channels: 3, background: 'blue' } as const
  const whole = sharp({ create: { width, height, channels: 3, background: 'red' } })
  return whole.composite([{ input: { create: half }, gravity: 'south' }]).removeAlpha()
}

async function make(picture: Uint8Array, order: ThumbnailOrder) {
  const encoded = Buffer.from(picture).toString('base64')
  const made = await page.evaluate(async ({ bytes, wish }) => makeThumbnail(bytes, wish), { bytes: encoded, wish: order })
  if (made.bytes === undefined) return { kind: made.kind }
  const image = sharp(Buffer.from(made.bytes, 'base64'))
  const { width, height, exif, orientation } = await image.metadata()
  return { kind: made.kind, type: made.type, width, height, hasMetadata: (exif ?? orientation) !== undefined, image }
}

test.each(['jpeg', 'png', 'webp', 'avif', 'gif'] as const)('the browser makes thumbnails of %s in a worker', async (format) => {
  const picture = await flag(800, 400).toFormat(format).toBuffer()
  expect(await make(picture, scaled)).toMatchObject({ type: 'image/jpeg', width: 320, height: 160, hasMetadata: false })
  expect(await make(picture, cropped)).toMatchObject({ width: 96, height: 96 })
})

test('what one can see through stays so; small pictures stay small', async () => {
  const glass = sharp({ create: { width: 40, height: 20, channels: 4, background: { r: 0, g: 0, b: 0, alpha: 0.5 } } })
  expect(await make(await glass.png().toBuffer(), scaled)).toMatchObject({ type: 'image/png', width: 40, height: 20 })
})

test('photographs stand upright and tell nothing but what they show', async () => {
  const photo = flag(400, 200)
    .jpeg()
    .withExif({ IFD3: { GPSLatitude: '51/1 30/1 0/1' } })
    .withMetadata({ orientation: 6 })
  const made = await make(await photo.toBuffer(), scaled)
  expect(made).toMatchObject({ width: 120, height: 240, hasMetadata: false })
  const pixel = await made.image?.extract({ left: 100, top: 100, width: 1, height: 1 }).raw().toBuffer()
  expect(pixel?.[0]).toBeGreaterThan(200)
})

test('bombs, drawings and noise are refused', async () => {
  const large = await sharp({ create: { width: 1001, height: 1000, channels: 3, background: 'red' } })
    .png()
    .toBuffer()
  expect(await make(large, scaled)).toEqual({ kind: 'too-large' })
  const drawing = '<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><image href="http://localhost/x"/></svg>'
  expect(await make(Buffer.from(drawing), scaled)).toEqual({ kind: 'undecodable' })
  const whole = await flag(99, 98).png().toBuffer()
  expect(await make(Buffer.concat([whole.subarray(0, 60), Buffer.from('noise')]), scaled)).toEqual({ kind: 'undecodable' })
  expect(await make(Buffer.alloc(0), scaled)).toEqual({ kind: 'undecodable' })
})
