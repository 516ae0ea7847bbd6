import type { ThumbnailOrder } from '@kith/homeserver/ports'
import { canvasThumbnailer } from '../../src/homeserver-worker/canvas-thumbnailer.ts'

addEventListener('message', ({ data }: MessageEvent<{ picture: Uint8Array<ArrayBuffer>; order: ThumbnailOrder }>) => {
  void canvasThumbnailer.make(data.picture, data.order, new AbortController().signal).then((outcome) => postMessage(outcome))
})
