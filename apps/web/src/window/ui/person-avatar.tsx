import { Avatar } from '@mantine/core'

export interface PersonAvatarProps {
  readonly name: string
  /** Decides the colour, so that two of one name differ. */
  readonly id: string
  readonly size?: number
}

const colors = ['kith', 'indigo', 'grape', 'orange', 'cyan', 'pink', 'lime', 'violet'] as const

/** Initials on a colour; the name stands beside it, so it is nothing to read aloud. */
export function PersonAvatar({ name, id, size = 40 }: PersonAvatarProps) {
  let sum = 0
  for (const character of id) sum = (sum * 31 + (character.codePointAt(0) ?? 0)) % 65_521
  return (
    <Avatar size={size} radius="xl" color={colors[sum % colors.length] ?? 'kith'} aria-hidden>
      {initialsOf(name)}
    </Avatar>
  )
}

function initialsOf(name: string): string {
  const words = name.split(/\s+/).filter((word) => word !== '')
  const first = firstCharacter(words[0])
  return words.length > 1 ? `${first}${firstCharacter(words.at(-1))}` : first
}

function firstCharacter(word: string | undefined): string {
  return [...(word ?? '?')][0]?.toLocaleUpperCase() ?? '?'
}
