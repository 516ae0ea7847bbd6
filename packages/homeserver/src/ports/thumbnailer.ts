export interface ThumbnailOrder {
  /** What holds the picture must be decoded within these bounds, whatever its file claims. */
  readonly pixelsMax: number
  readonly durationMsMax: number
  /** The thumbnail is never larger than the picture. */
  readonly width: number
  readonly height: number
  /** `crop` fills the size and cuts off what stands out; `scale` fits into it. Both keep the aspect ratio. */
  readonly method: 'crop' | 'scale'
  /** Whether a moving picture may become a moving thumbnail; otherwise its first frame stands for it. */
  readonly animated: boolean
}

export interface Thumbnail {
  readonly contentType: 'image/png' | 'image/jpeg' | 'image/webp'
  readonly bytes: Uint8Array<ArrayBuffer>
}

export type ThumbnailerOutcome =
  | { readonly kind: 'made'; readonly thumbnail: Thumbnail }
  /** No picture, or of a format that this engine does not read. */
  | { readonly kind: 'undecodable' }
  /** More pixels than allowed, or more work than the time allows. */
  | { readonly kind: 'too-large' }

/**
 * Makes small pictures of large ones.
 *
 * Invariants:
 * 1. The format is told from the bytes; only formats that hold nothing but pixels are read, never one that can name other resources.
 * 2. A picture is shown upright, as its metadata say, and the metadata stay behind.
 * 3. Settles within about `durationMsMax`. Throws only the signal's reason.
 */
export interface Thumbnailer {
  make(picture: Uint8Array<ArrayBuffer>, order: ThumbnailOrder, signal: AbortSignal): Promise<ThumbnailerOutcome>
}
