import { decodeBase64Url, encodeBase64Url, isJsonObject, parseUserId, serverNameOf } from '@kith/matrix-protocol'
import type { JsonObject, ServerName, UserId } from '@kith/matrix-protocol'
import { chatLimits } from './limits.ts'
import { cleanDisplayName } from './username.ts'

/** What an invite link says about a person. The relay list stays as it was signed; the node checks its signature. */
export interface Contact {
  readonly userId: UserId
  readonly serverName: ServerName
  readonly displayName: string
  readonly relayList: JsonObject | undefined
}

export type ContactLinkOutcome =
  | { readonly kind: 'contact'; readonly contact: Contact }
  | { readonly kind: 'invalid'; readonly reason: string }
  /** The text is no invite link at all. */
  | { readonly kind: 'not-a-link' }

const linkHashPrefix = '#/contact/'

/** `origin` is that of the page: a link opens the page of whoever sent it. */
export function makeContactLink(origin: string, contact: JsonObject): string {
  return `${origin}/${linkHashPrefix}${encodeBase64Url(new TextEncoder().encode(JSON.stringify(contact)))}`
}

/** Reads a whole link, its `#/contact/…` part alone, or text around one link. */
export function parseContactLink(text: string): ContactLinkOutcome {
  const start = text.indexOf(linkHashPrefix)
  if (start === -1) return { kind: 'not-a-link' }
  const payload = /^[\w-]*/.exec(text.slice(start + linkHashPrefix.length))?.[0] ?? ''
  if (payload.length === 0) return invalid('The link is cut off.')
  if (payload.length > chatLimits.contactLinkCharactersMax) return invalid('The link is too long to be an invite link.')
  const parsed = parsePayload(payload)
  return parsed === undefined ? invalid('The link is damaged. Ask for it again.') : contactFrom(parsed)
}

/** A contact from the JSON of `GET im.kith/contact`, or from a link. */
export function contactFrom(value: unknown): ContactLinkOutcome {
  if (!isJsonObject(value)) return invalid('The link is damaged. Ask for it again.')
  const userId = parseUserId(value['user_id'])
  if (userId === undefined) return invalid('The link names nobody.')
  const serverName = serverNameOf(userId)
  const relayList = value['relay_list']
  if (relayList !== undefined && relayList !== null) {
    if (!isJsonObject(relayList)) return invalid('The link is damaged. Ask for it again.')
    if (relayList['server'] !== serverName) return invalid('The addresses in the link belong to somebody else.')
  }
  return {
    kind: 'contact',
    contact: {
      userId,
      serverName,
      displayName: nameFrom(value['display_name'], userId),
      relayList: isJsonObject(relayList) ? relayList : undefined,
    },
  }
}

/** The name to show for a user id that came with none. */
export function nameOfUserId(userId: string): string {
  return userId.slice(1).split(':')[0] ?? userId
}

function nameFrom(displayName: unknown, userId: UserId): string {
  const name = typeof displayName === 'string' ? cleanDisplayName(displayName) : ''
  return name === '' ? nameOfUserId(userId) : name
}

function parsePayload(payload: string): unknown {
  try {
    const bytes = decodeBase64Url(payload)
    return bytes === undefined ? undefined : JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes))
  } catch {
    return undefined
  }
}

function invalid(reason: string): ContactLinkOutcome {
  return { kind: 'invalid', reason }
}
