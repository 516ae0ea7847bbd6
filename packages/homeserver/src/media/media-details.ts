import { limits } from '../limits.ts'

/** What a file says of itself. */
export interface MediaDetails {
  /** A media type with its parameters, safe to be a header. */
  readonly contentType: string
  readonly filename?: string
}

const CONTENT_TYPE_DEFAULT = 'application/octet-stream'
/** `type/subtype` with parameters, of visible ASCII: nothing that could end a header. */
const contentTypePattern = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+\/[!#$%&'*+.^_`|~0-9A-Za-z-]+[ \t]*(;[\x20-\x7e]*)?$/
/** In file names: control characters, and what browsers and file systems take for a path or for a change of direction. */
const unsafeInNames = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}/\\]/gu

/**
 * What a browser may show by itself without harm to the origin that it came from.
 * @see https://spec.matrix.org/latest/client-server-api/#serving-inline-content
 */
const inlineTypes: ReadonlySet<string> = new Set([
  ...['text/css', 'text/plain', 'text/csv', 'application/json', 'application/ld+json'],
  ...['image/jpeg', 'image/gif', 'image/png', 'image/apng', 'image/webp', 'image/avif'],
  ...['video/mp4', 'video/webm', 'video/ogg', 'video/quicktime'],
  ...['audio/mp4', 'audio/webm', 'audio/aac', 'audio/mpeg', 'audio/ogg', 'audio/wave', 'audio/wav', 'audio/x-wav', 'audio/x-pn-wav'],
  ...['audio/flac', 'audio/x-flac'],
])

export function mediaDetails(contentType: string | null, filename: string | null | undefined): MediaDetails {
  const name = cleanFilename(filename ?? '')
  const type = contentType ?? ''
  const isUsable = type.length <= limits.implementation.mediaTypeCharactersMax && contentTypePattern.test(type)
  return { contentType: isUsable ? type : CONTENT_TYPE_DEFAULT, ...(name === '' ? {} : { filename: name }) }
}

/** `type/subtype` in lower case, without parameters. */
export function essenceOf(contentType: string): string {
  return (contentType.split(';')[0] ?? '').trim().toLowerCase()
}

/** The header that says how the file is to be treated, and under which name. */
export function contentDisposition({ contentType, filename }: MediaDetails): string {
  const treatment = inlineTypes.has(essenceOf(contentType)) ? 'inline' : 'attachment'
  if (filename === undefined) return treatment
  if (/^[\x20-\x7e]*$/.test(filename)) return `${treatment}; filename="${filename.replaceAll(/["\\]/g, '\\$&')}"`
  return `${treatment}; filename*=utf-8''${encodeURIComponent(filename).replaceAll(/['()*]/g, percentEncoded)}`
}

/** The file name in such a header. @see https://www.rfc-editor.org/rfc/rfc6266 */
export function filenameOf(disposition: string | null): string | undefined {
  const extended = /;\s*filename\*\s*=\s*utf-8'[^']*'([^;\s]*)/i.exec(disposition ?? '')?.[1]
  if (extended !== undefined) {
    try {
      return decodeURIComponent(extended)
    } catch {
      // The plain name may still be there.
    }
  }
  const quoted = /;\s*filename\s*=\s*"((?:[^"\\]|\\.)*)"/i.exec(disposition ?? '')?.[1]
  if (quoted !== undefined) return quoted.replaceAll(/\\(.)/g, '$1')
  return /;\s*filename\s*=\s*([^;"\s]+)/i.exec(disposition ?? '')?.[1]
}

function cleanFilename(name: string): string {
  const cleaned = name.toWellFormed().replaceAll(unsafeInNames, '_').trim()
  return Array.from(cleaned).slice(0, limits.implementation.mediaNameCharactersMax).join('')
}

function percentEncoded(character: string): string {
  return `%${character.charCodeAt(0).toString(16).toUpperCase()}`
}
