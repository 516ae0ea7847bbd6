import type { ThumbnailerOutcome, ThumbnailOrder } from '@kith/homeserver/ports'

/** A thumbnail made in a worker, as the homeserver's is; bytes go in and out as base64, because nothing else passes. */
async function makeThumbnail(picture: string, order: ThumbnailOrder): Promise<{ kind: string; type?: string; bytes?: string }> {
  const worker = new Worker(new URL('./thumbnail-worker.ts', import.meta.url), { type: 'module' })
  const outcome = await new Promise<ThumbnailerOutcome>((resolve, reject) => {
    worker.addEventListener('message', ({ data }: MessageEvent<ThumbnailerOutcome>) => resolve(data))
    worker.addEventListener('error', ({ message }) => reject(new Error(message)))
    worker.postMessage({ picture: Uint8Array.fromBase64(picture), order })
  })
  worker.terminate()
  if (outcome.kind !== 'made') return outcome
  return { kind: 'made', type: outcome.thumbnail.contentType, bytes: outcome.thumbnail.bytes.toBase64() }
}

export type MakeThumbnail = typeof makeThumbnail

Object.assign(globalThis, { makeThumbnail })
