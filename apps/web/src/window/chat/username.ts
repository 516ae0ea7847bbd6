import { chatLimits } from './limits.ts'

/**
 * The name part of the user id: what of the display name fits the grammar of user ids.
 * Names in other scripts leave nothing; they get a neutral word, since the display name is what people see.
 */
export function usernameFrom(displayName: string): string {
  const slug = displayName
    .normalize('NFKD')
    .replaceAll(/\p{Mark}/gu, '')
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, '-')
    .slice(0, chatLimits.usernameCharactersMax)
    .replaceAll(/^-+|-+$/g, '')
  return slug === '' ? 'user' : slug
}

/** What is left of a name for show: no control or direction-changing characters, one line, bounded. */
export function cleanDisplayName(name: string): string {
  const visible = name
    .replaceAll(/[\p{Cc}\p{Cs}\p{Zl}\p{Zp}\u061c\u200b\u200e\u200f\u202a-\u202e\u2060-\u2069\ufeff]/gu, ' ')
    .replaceAll(/\s+/g, ' ')
    .trim()
  return [...visible].slice(0, chatLimits.displayNameCharactersMax).join('').trim()
}
