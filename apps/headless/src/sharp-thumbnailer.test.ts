import { crc32, deflateSync } from 'node:zlib'
import type { ThumbnailOrder } from '@kith/homeserver/ports'
import fc from 'fast-check'
import sharp, { type Sharp } from 'sharp'
import { describe, expect, test } from 'vitest'
import { sharpThumbnailer } from './sharp-thumbnailer.ts'

const signal = new AbortController().signal
const small: ThumbnailOrder = { width: 96, height: 96, method: 'crop', animated: false, pixelsMax: 10_000_000, durationMsMax: 10_000 }
const scaled: ThumbnailOrder = { ...small, width: 320, height: 240, method: 'scale' }

/** Red above, blue below. */
function flag(width: number, height: number, channels: 3 | 4 = 3): Sharp {
  const half = { width, height: height / 2, channels, background: { r: 0, g: 0, b: 255, alpha: 1 } }
  return sharp({ create: { width, height, channels, background: { r: 255, g: 0, b: 0, alpha: channels === 4 ? 0.5 : 1 } } }).composite([
    { input: { create: half }, gravity: 'south' },
  ])
}

async function movie(frames: number, format: 'gif' | 'webp'): Promise<Uint8Array<ArrayBuffer>> {
  const pictures = await Promise.all(
    Array.from({ length: frames }, async (_, index) =>
      sharp({ create: { width: 200, height: 100, channels: 3, background: { r: (index * 50) % 256, g: 0, b: 99 } } })
        .png()
        .toBuffer(),
    ),
  )
  return new Uint8Array(
    await sharp(pictures, { join: { animated: true } })
      .toFormat(format)
      .toBuffer(),
  )
}

async function bytesOf(picture: Sharp): Promise<Uint8Array<ArrayBuffer>> {
  return new Uint8Array(await picture.toBuffer())
}

async function make(picture: Uint8Array<ArrayBuffer>, order: ThumbnailOrder) {
  const outcome = await sharpThumbnailer.make(picture, order, signal)
  if (outcome.kind !== 'made') return outcome.kind
  const { format, width, height, pages = 1, exif, icc, orientation } = await sharp(outcome.thumbnail.bytes, { pages: -1 }).metadata()
  return {
    type: outcome.thumbnail.contentType,
    format,
    width,
    height: height / pages,
    pages,
    hasMetadata: (exif ?? icc ?? orientation) !== undefined,
  }
}

/** A PNG of one colour and one bit a pixel: few bytes, however large it is. */
function pngOf(width: number, height: number): Uint8Array<ArrayBuffer> {
  const chunk = (type: string, data: Uint8Array): Buffer => {
    const body = Buffer.concat([Buffer.from(type, 'latin1'), data])
    const [length, sum] = [Buffer.alloc(4), Buffer.alloc(4)]
    length.writeUInt32BE(data.byteLength)
    sum.writeUInt32BE(crc32(body))
    return Buffer.concat([length, body, sum])
  }
  const head = Buffer.alloc(13)
  head.writeUInt32BE(width, 0)
  head.writeUInt32BE(height, 4)
  head[8] = 1
  const rows = deflateSync(Buffer.alloc((Math.ceil(width / 8) + 1) * height))
  const parts = [chunk('IHDR', head), chunk('IDAT', rows), chunk('IEND', Buffer.alloc(0))]
  return new Uint8Array(Buffer.concat([Buffer.from('89504e470d0a1a0a', 'hex'), ...parts]))
}

describe('thumbnails by libvips', () => {
  test.each(['jpeg', 'png', 'webp', 'avif', 'gif'] as const)('are made of %s', async (format) => {
    const picture = await bytesOf(flag(800, 400).toFormat(format))
    expect(await make(picture, small)).toMatchObject({ width: 96, height: 96, pages: 1, hasMetadata: false })
    expect(await make(picture, scaled)).toMatchObject({ width: 320, height: 160 })
  })

  test('keep what one can see through, and enlarge nothing', async () => {
    expect(await make(await bytesOf(flag(50, 20, 4).png()), small)).toMatchObject({ type: 'image/png', width: 50, height: 20 })
    expect(await make(await bytesOf(flag(50, 20).removeAlpha().png()), scaled)).toMatchObject({ type: 'image/jpeg', width: 50, height: 20 })
  })

  test('stand upright, and tell neither place nor camera', async () => {
    const photo = flag(400, 200)
      .jpeg()
      .withExif({ IFD0: { Copyright: 'somebody' }, IFD3: { GPSLatitude: '51/1 30/1 0/1' } })
    const turned = await bytesOf(photo.withMetadata({ orientation: 6 }))
    expect((await sharp(turned).metadata()).exif).toBeDefined()
    expect(await make(turned, scaled)).toMatchObject({ width: 120, height: 240, hasMetadata: false })
    // Turned to the right: what was above is on the right.
    const outcome = await sharpThumbnailer.make(turned, scaled, signal)
    if (outcome.kind !== 'made') throw new Error(outcome.kind)
    const { data } = await sharp(outcome.thumbnail.bytes)
      .extract({ left: 100, top: 100, width: 1, height: 1 })
      .raw()
      .toBuffer({ resolveWithObject: true })
    expect(data[0]).toBeGreaterThan(200)
  })

  test.each(['gif', 'webp'] as const)('move if they may and the picture does: %s', async (format) => {
    const picture = await movie(4, format)
    expect(await make(picture, { ...scaled, animated: true })).toMatchObject({ type: 'image/webp', width: 200, height: 100, pages: 4 })
    expect(await make(picture, { ...small, animated: true })).toMatchObject({ width: 96, height: 96, pages: 4 })
    expect(await make(picture, scaled)).toMatchObject({ type: expect.not.stringMatching('webp'), pages: 1 })
    // Too much as a whole: the first frame stands for it.
    expect(await make(picture, { ...scaled, animated: true, pixelsMax: 3 * 200 * 100 })).toMatchObject({ pages: 1 })
  })

  test('are not made of bombs', async () => {
    const bomb = pngOf(20_000, 20_000)
    expect(bomb.byteLength).toBeLessThan(100_000)
    expect(await make(bomb, small)).toBe('too-large')
    expect(await make(pngOf(1_000, 10_001), small)).toBe('too-large')
    expect(await make(pngOf(1_000, 10_000), small)).toMatchObject({ width: 96, height: 96 })
    const endless = await movie(20, 'gif')
    expect(await make(endless, { ...small, animated: true, pixelsMax: 10_000 })).toBe('too-large')
  })

  test('are made of nothing that could name other files, whatever it calls itself', async () => {
    const drawing = '<svg xmlns="http://www.w3.org/2000/svg" width="99" height="99"><image href="/etc/passwd" width="9" height="9"/></svg>'
    expect(await make(new TextEncoder().encode(drawing), small)).toBe('undecodable')
    await expect(sharp(new TextEncoder().encode(drawing)).metadata()).rejects.toThrow('unsupported image format')
    expect(await make(await bytesOf(flag(10, 10).tiff()), small)).toBe('undecodable')
    expect(await make(new TextEncoder().encode('%PDF-1.7'), small)).toBe('undecodable')
    expect(await make(new Uint8Array(), small)).toBe('undecodable')
  })

  test('of damaged pictures are refused or made, and nothing breaks', async () => {
    const pictures = await Promise.all(
      (['jpeg', 'png', 'webp', 'gif'] as const).map(async (format) => bytesOf(flag(60, 60).toFormat(format))),
    )
    const damage = fc.record({ of: fc.nat(pictures.length - 1), at: fc.nat(), byte: fc.nat(255), cut: fc.option(fc.nat()) })
    await fc.assert(
      fc.asyncProperty(damage, async ({ of, at, byte, cut }) => {
        const picture = pictures[of]?.slice() ?? new Uint8Array()
        picture[at % picture.byteLength] = byte
        const outcome = await sharpThumbnailer.make(cut === null ? picture : picture.slice(0, cut % picture.byteLength), small, signal)
        expect(['made', 'undecodable', 'too-large']).toContain(outcome.kind)
      }),
    )
  })
})
