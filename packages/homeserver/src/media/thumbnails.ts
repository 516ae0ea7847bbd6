import { essenceOf } from './media-details.ts'

/** What may stand for a thumbnail of itself. @see https://spec.matrix.org/latest/server-server-api/#get_matrixfederationv1mediathumbnailmediaid */
const thumbnailTypes: ReadonlySet<string> = new Set(['image/png', 'image/apng', 'image/jpeg', 'image/gif', 'image/webp'])

/** What a thumbnail may be made of; encrypted files, of which none can, have another type. */
const pictureTypes: ReadonlySet<string> = new Set([...thumbnailTypes, 'image/jpg', 'image/avif'])

/** Sizes that are made, and that other servers are asked for, so that what comes of them can be shared. */
const sizes = [
  { width: 32, height: 32, method: 'crop' },
  { width: 96, height: 96, method: 'crop' },
  { width: 320, height: 240, method: 'scale' },
  { width: 640, height: 480, method: 'scale' },
  { width: 800, height: 600, method: 'scale' },
] as const

export interface ThumbnailWish {
  readonly width: number
  readonly height: number
  readonly method: 'crop' | 'scale'
  /** Absent: the server's choice. */
  readonly animated?: boolean
}

/** The smallest of the usual sizes that is no smaller than the wish, of the wished method if there is one. */
export function usualThumbnail(wish: ThumbnailWish): ThumbnailWish {
  const enough = sizes.filter(({ width, height }) => width >= wish.width && height >= wish.height)
  const best = enough.find(({ method }) => method === wish.method) ?? enough[0] ?? sizes[4]
  return { ...best, ...(wish.animated === undefined ? {} : { animated: wish.animated }) }
}

export function mayBeThumbnail(contentType: string): boolean {
  return thumbnailTypes.has(essenceOf(contentType))
}

export function mayBecomeThumbnail(contentType: string): boolean {
  return pictureTypes.has(essenceOf(contentType))
}

/** The extension that goes before each frame of a moving picture. */
const GIF_FRAME = '!\u00f9\u0004'
const ANIMATED_WEBP_FLAG = 0x02
const WEBP_FLAGS_AT = 20

/** Whether a picture moves, by its first bytes. */
export function isAnimated(contentType: string, head: Uint8Array): boolean {
  const text = latin1(head)
  switch (essenceOf(contentType)) {
    case 'image/gif':
      return text.includes('NETSCAPE2.0') || text.split(GIF_FRAME).length > 2
    case 'image/webp':
      return text.slice(12, 16) === 'VP8X' && ((head[WEBP_FLAGS_AT] ?? 0) & ANIMATED_WEBP_FLAG) !== 0
    case 'image/png':
    case 'image/apng':
      return text.includes('acTL')
    default:
      return false
  }
}

function latin1(bytes: Uint8Array): string {
  return new TextDecoder('latin1').decode(bytes)
}
