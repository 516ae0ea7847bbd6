import type { ServerName, UserId } from '@kith/matrix-protocol'
import type { Table } from '../ports/storage.ts'

/** What is known of a file apart from its bytes. */
export interface StoredMedia {
  /** As the uploader named it, fit for a header. */
  readonly contentType: string
  readonly filename?: string
  /** In bytes. */
  readonly size: number
  readonly createdAt: number
  /** Where its chunks lie. */
  readonly blob: string
  readonly chunks: number
  /** Present for files of this server. */
  readonly uploader?: UserId
  /** When somebody last wanted it, roughly; the key of its row in `remoteUses`. Present for files of other servers. */
  readonly usedAt?: number
}

/** A media id that was given out before its content. */
export interface PendingMedia {
  readonly uploader: UserId
  readonly expiresAt: number
}

export interface MediaUsage {
  readonly bytes: number
  readonly files: number
}

/** Whose quota it is: a local user's, or that of everything kept of other servers. */
export type UsageScope = UserId | 'remote'

/** The empty variant is the file itself; others are thumbnails that other servers made. */
export type MediaKey = readonly [server: ServerName, mediaId: string, variant: string]

export const mediaTables = {
  files: { name: 'media.files' } as Table<MediaKey, StoredMedia>,
  chunks: { name: 'media.chunks' } as Table<readonly [blob: string, index: number], Uint8Array>,
  pending: { name: 'media.pending' } as Table<readonly [mediaId: string], PendingMedia>,
  /** Blobs that are being written; what is left of them after a crash is nobody's. */
  writing: { name: 'media.writing' } as Table<readonly [blob: string], true>,
  usage: { name: 'media.usage' } as Table<readonly [UsageScope], MediaUsage>,
  /** Files of other servers, the longest unwanted first. */
  remoteUses: { name: 'media.remote-uses' } as Table<readonly [usedAt: number, ...MediaKey], number>,
} as const
