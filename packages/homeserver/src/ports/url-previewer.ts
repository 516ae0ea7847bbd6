/** A picture that a page shows for itself. */
export interface PreviewImage {
  readonly contentType: string
  readonly bytes: Uint8Array<ArrayBuffer>
  readonly width: number
  readonly height: number
}

export type PreviewOutcome =
  /** `properties`: what the page says of itself, by the names of the Open Graph protocol (`og:title`), bounded. */
  | { readonly kind: 'found'; readonly properties: Readonly<Record<string, string>>; readonly image?: PreviewImage }
  /** Nothing could be had of the address, or it may not be asked. Which of both, nobody is told. */
  | { readonly kind: 'nothing' }

/**
 * Looks at pages of the web in the name of users.
 *
 * Invariants:
 * 1. Nothing in the network of this node is asked, whatever a name resolves to and wherever a page redirects.
 * 2. Time, bytes and redirects are bounded. Throws only the signal's reason.
 */
export interface UrlPreviewer {
  preview(url: URL, signal: AbortSignal): Promise<PreviewOutcome>
}
