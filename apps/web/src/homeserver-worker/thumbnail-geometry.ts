import type { ThumbnailOrder } from '@kith/homeserver/ports'

export interface ThumbnailGeometry {
  /** The part of the picture that is shown. */
  readonly left: number
  readonly top: number
  readonly sourceWidth: number
  readonly sourceHeight: number
  /** What it becomes. */
  readonly width: number
  readonly height: number
}

/** How a picture of that size becomes a thumbnail, which is never larger than what it shows. */
export function thumbnailGeometry(
  picture: { readonly width: number; readonly height: number },
  order: Pick<ThumbnailOrder, 'width' | 'height' | 'method'>,
): ThumbnailGeometry {
  const byWidth = order.width / picture.width
  const byHeight = order.height / picture.height
  if (order.method === 'scale') {
    const factor = Math.min(byWidth, byHeight, 1)
    const [width, height] = [atLeastOne(picture.width * factor), atLeastOne(picture.height * factor)]
    return { left: 0, top: 0, sourceWidth: picture.width, sourceHeight: picture.height, width, height }
  }
  const factor = Math.min(Math.max(byWidth, byHeight), 1)
  const width = Math.min(order.width, atLeastOne(picture.width * factor))
  const height = Math.min(order.height, atLeastOne(picture.height * factor))
  const sourceWidth = Math.min(picture.width, width / factor)
  const sourceHeight = Math.min(picture.height, height / factor)
  return { left: (picture.width - sourceWidth) / 2, top: (picture.height - sourceHeight) / 2, sourceWidth, sourceHeight, width, height }
}

function atLeastOne(length: number): number {
  return Math.max(1, Math.round(length))
}
