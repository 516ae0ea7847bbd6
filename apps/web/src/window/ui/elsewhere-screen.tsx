import { Button, Stack, Text, Title } from '@mantine/core'
import { IconArrowBarToDown } from '@tabler/icons-react'
import { CenterScreen } from './center-screen.tsx'

export interface ElsewhereScreenProps {
  readonly takingOver: boolean
  readonly onUseHere: () => Promise<void>
}

/** The chat lives in one tab at a time: its keys must not be used twice at once. */
export function ElsewhereScreen({ takingOver, onUseHere }: ElsewhereScreenProps) {
  return (
    <CenterScreen>
      <Stack gap={6}>
        <Title order={1} fz="h3">
          Kith is open in another tab
        </Title>
        <Text c="var(--kith-quiet)">Your chats can be used in one tab at a time. Nothing is lost when you move them here.</Text>
      </Stack>
      <Button
        size="md"
        leftSection={<IconArrowBarToDown size={18} aria-hidden />}
        loading={takingOver}
        onClick={() => void onUseHere()}
        data-autofocus
        autoFocus
      >
        Use here
      </Button>
      <Text size="sm" c="var(--kith-quiet)" role="status" mih="1.5em">
        {takingOver ? 'The other tab is finishing what it was sending…' : ''}
      </Text>
    </CenterScreen>
  )
}
