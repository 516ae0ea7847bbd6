import { TextInput } from '@mantine/core'
import { parseUserId, serverNameOf } from '@kith/matrix-protocol'
import { nameOfUserId, parseContactLink } from '../chat/contact-link.ts'
import type { Contact } from '../chat/contact-link.ts'

export type ContactInput =
  | { readonly kind: 'empty' }
  | { readonly kind: 'contact'; readonly contact: Contact }
  | { readonly kind: 'invalid'; readonly reason: string }

export interface ContactFieldProps {
  readonly value: string
  readonly onChange: (value: string) => void
  /** The first thing to fill in when its dialog opens. */
  readonly focused?: boolean
}

/** Takes an invite link or a user id. */
export function ContactField({ value, onChange, focused = false }: ContactFieldProps) {
  const input = contactInputOf(value)
  return (
    <TextInput
      label="Invite link or user id"
      description="Paste the link that you were given."
      placeholder="https://…/#/contact/… or @name:k51…"
      value={value}
      onChange={(event) => onChange(event.currentTarget.value)}
      error={input.kind === 'invalid' ? input.reason : undefined}
      autoComplete="off"
      spellCheck={false}
      data-autofocus={focused || undefined}
      size="md"
    />
  )
}

export function contactInputOf(value: string): ContactInput {
  const trimmed = value.trim()
  if (trimmed === '') return { kind: 'empty' }
  const link = parseContactLink(trimmed)
  if (link.kind !== 'not-a-link') return link
  const userId = parseUserId(trimmed)
  if (userId === undefined) return { kind: 'invalid', reason: 'This is neither an invite link nor a user id.' }
  const contact = { userId, serverName: serverNameOf(userId), displayName: nameOfUserId(userId), relayList: undefined }
  return { kind: 'contact', contact }
}
