import type { Thumbnail, Thumbnailer, ThumbnailerOutcome, ThumbnailOrder } from '@kith/homeserver/ports'
import { GIF } from 'image-size/types/gif'
import { HEIF } from 'image-size/types/heif'
import { JPG } from 'image-size/types/jpg'
import { PNG } from 'image-size/types/png'
import { WEBP } from 'image-size/types/webp'
import { thumbnailGeometry } from './thumbnail-geometry.ts'

/** Where a picture says its size: formats that hold pixels and nothing else. */
const formats = [JPG, PNG, WEBP, GIF, HEIF]
/** Before it come metadata, a profile of colours and a preview at most. */
const HEAD_BYTES_MAX = 1024 * 1024
const JPEG_QUALITY = 0.8
const OPAQUE = 255

/** Thumbnails by what the browser draws pictures with. Always still ones: nothing here writes moving ones. */
export const canvasThumbnailer: Thumbnailer = {
  async make(picture, order, signal) {
    signal.throwIfAborted()
    const size = sizeOf(picture.subarray(0, HEAD_BYTES_MAX))
    if (size === undefined) return { kind: 'undecodable' }
    // The browser decodes all of a picture, whatever its size: one that is too large must not get that far.
    if (size.width * size.height > order.pixelsMax) return { kind: 'too-large' }
    const outcome = await withinTime(order.durationMsMax, draw(picture, order))
    signal.throwIfAborted()
    return outcome
  },
}

/** What the file says of its picture, without decoding it. */
function sizeOf(head: Uint8Array): { readonly width: number; readonly height: number } | undefined {
  try {
    const { width, height } = formats.find(({ validate }) => validate(head))?.calculate(head) ?? { width: 0, height: 0 }
    return width > 0 && height > 0 ? { width, height } : undefined
  } catch {
    return undefined
  }
}

async function draw(picture: Uint8Array<ArrayBuffer>, order: ThumbnailOrder): Promise<ThumbnailerOutcome> {
  try {
    using decoded = await decode(picture)
    const { bitmap } = decoded
    if (bitmap.width * bitmap.height > order.pixelsMax) return { kind: 'too-large' }
    return { kind: 'made', thumbnail: await paint(bitmap, order) }
  } catch {
    // Decoding fails for what is no picture, and painting for want of memory: neither is a fault of the node.
    return { kind: 'undecodable' }
  }
}

async function decode(picture: Uint8Array<ArrayBuffer>): Promise<{ readonly bitmap: ImageBitmap } & Disposable> {
  const bitmap = await createImageBitmap(new Blob([picture]), { imageOrientation: 'from-image' })
  return { bitmap, [Symbol.dispose]: () => bitmap.close() }
}

async function paint(bitmap: ImageBitmap, order: ThumbnailOrder): Promise<Thumbnail> {
  const { left, top, sourceWidth, sourceHeight, width, height } = thumbnailGeometry(bitmap, order)
  const canvas = new OffscreenCanvas(width, height)
  const context = canvas.getContext('2d', { willReadFrequently: true })
  if (context === null) throw new Error('The browser gives no canvas')
  context.imageSmoothingQuality = 'high'
  context.drawImage(bitmap, left, top, sourceWidth, sourceHeight, 0, 0, width, height)
  const contentType = isOpaque(context.getImageData(0, 0, width, height).data) ? 'image/jpeg' : 'image/png'
  const blob = await canvas.convertToBlob({ type: contentType, quality: JPEG_QUALITY })
  return { contentType, bytes: new Uint8Array(await blob.arrayBuffer()) }
}

function isOpaque(pixels: Uint8ClampedArray): boolean {
  for (let alpha = 3; alpha < pixels.length; alpha += 4) if (pixels[alpha] !== OPAQUE) return false
  return true
}

/** Drawing cannot be stopped; what comes late is let go. */
async function withinTime(durationMs: number, work: Promise<ThumbnailerOutcome>): Promise<ThumbnailerOutcome> {
  const { promise, resolve } = Promise.withResolvers<ThumbnailerOutcome>()
  const timer = setTimeout(() => resolve({ kind: 'too-large' }), durationMs)
  try {
    return await Promise.race([work, promise])
  } finally {
    clearTimeout(timer)
  }
}
