import { Group, Text } from '@mantine/core'

/** The name with its mark: two that overlap. */
export function KithMark() {
  return (
    <Group gap="xs" c="var(--kith-accent)" wrap="nowrap">
      <svg viewBox="0 0 32 22" width="36" height="25" aria-hidden="true">
        <circle cx="11" cy="11" r="9.5" fill="none" stroke="currentColor" strokeWidth="2.6" />
        <circle cx="21" cy="11" r="9.5" fill="currentColor" fillOpacity="0.22" stroke="currentColor" strokeWidth="2.6" />
      </svg>
      <Text component="span" fw={700} fz="1.5rem" lh={1}>
        Kith
      </Text>
    </Group>
  )
}
