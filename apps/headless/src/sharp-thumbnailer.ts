import type { Thumbnailer, ThumbnailerOutcome, ThumbnailOrder } from '@kith/homeserver/ports'
import sharp, { type Metadata } from 'sharp'

/** Formats that hold pixels and nothing else. Drawings (SVG) could name files and addresses; documents run whole interpreters. */
const loaders = ['VipsForeignLoadJpeg', 'VipsForeignLoadPng', 'VipsForeignLoadWebp', 'VipsForeignLoadNsgif', 'VipsForeignLoadHeif']
const JPEG_QUALITY = 80
const ANIMATION_QUALITY = 70

// For the whole process: what its loaders may be given is narrowed before anything is.
sharp.block({ operation: ['VipsForeignLoad'] })
sharp.unblock({ operation: loaders })
// One picture is made at a time, on one thread: the node has other things to do, and each thread holds stripes of it.
sharp.concurrency(1)
sharp.cache(false)

/** Thumbnails by libvips, off the main thread. */
export const sharpThumbnailer: Thumbnailer = {
  async make(picture, order, signal) {
    signal.throwIfAborted()
    const outcome = await makeThumbnail(picture, order)
    signal.throwIfAborted()
    return outcome
  },
}

/** What a picture is, told from its bytes without decoding them. Undefined for whatever is none. */
export async function measurePicture(
  picture: Uint8Array,
): Promise<{ readonly contentType: string; readonly width: number; readonly height: number } | undefined> {
  const head = await readHead(picture)
  if (head === undefined) return undefined
  const { format, width, height, pageHeight = height } = head
  return { contentType: format === 'heif' ? 'image/avif' : `image/${format}`, width, height: pageHeight }
}

async function makeThumbnail(picture: Uint8Array, order: ThumbnailOrder): Promise<ThumbnailerOutcome> {
  const head = await readHead(picture)
  if (head === undefined) return { kind: 'undecodable' }
  const { pages = 1, pageHeight = head.height, hasAlpha } = head
  const framePixels = head.width * pageHeight
  if (framePixels > order.pixelsMax) return { kind: 'too-large' }
  // Of a moving picture that is too large as a whole, the first frame is not.
  const animated = order.animated && pages > 1 && framePixels * pages <= order.pixelsMax
  const { width, height, method } = order
  const drawn = sharp(picture, {
    limitInputPixels: order.pixelsMax,
    sequentialRead: true,
    failOn: 'error',
    animated,
    autoOrient: !animated,
  })
    .timeout({ seconds: Math.ceil(order.durationMsMax / 1000) })
    .resize({ width, height, fit: method === 'crop' ? 'cover' : 'inside', withoutEnlargement: true })
  const contentType = animated ? 'image/webp' : hasAlpha ? 'image/png' : 'image/jpeg'
  try {
    // Metadata stay behind unless one asks to keep them.
    const encoded = animated ? drawn.webp({ quality: ANIMATION_QUALITY }) : hasAlpha ? drawn.png() : drawn.jpeg({ quality: JPEG_QUALITY })
    const bytes = await encoded.toBuffer()
    return { kind: 'made', thumbnail: { contentType, bytes: new Uint8Array(bytes) } }
  } catch (error) {
    return { kind: isTimeout(error) ? 'too-large' : 'undecodable' }
  }
}

/** What the file says of its picture, without decoding it. The size of all frames together is judged afterwards. */
async function readHead(picture: Uint8Array): Promise<Metadata | undefined> {
  try {
    return await sharp(picture, { limitInputPixels: false, pages: -1 }).metadata()
  } catch {
    return undefined
  }
}

function isTimeout(error: unknown): boolean {
  return error instanceof Error && /timeout/i.test(error.message)
}
