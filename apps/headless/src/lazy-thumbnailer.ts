import type { Thumbnailer } from '@kith/homeserver/ports'

/** libvips is loaded for the first picture: it is large, and many nodes make no thumbnails. */
export const lazyThumbnailer: Thumbnailer = {
  async make(...order) {
    const { sharpThumbnailer } = await import('./sharp-thumbnailer.ts')
    return sharpThumbnailer.make(...order)
  },
}
