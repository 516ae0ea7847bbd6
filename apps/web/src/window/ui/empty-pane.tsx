import { Button, Center, Group, Stack, Text, Title } from '@mantine/core'
import { IconMessagePlus, IconShare2 } from '@tabler/icons-react'
import type { Chat } from '../chat/chat-model.ts'
import { useObservable } from './observe.ts'
import type { WorkspaceDialog } from './workspace.tsx'

/** Beside the list while no chat is open. */
export function EmptyPane({ chat, onOpen }: { readonly chat: Chat; readonly onOpen: (dialog: WorkspaceDialog) => void }) {
  const { rooms, invites } = useObservable(chat.rooms)
  const self = useObservable(chat.self)
  const nobody = rooms.length === 0 && invites.length === 0
  return (
    <Center component="main" flex={1} p="xl">
      <Stack align="center" gap="md" maw={420} ta="center">
        <Title order={1} fz="h3">
          {nobody ? `Hello ${self.displayName}` : 'Choose a chat'}
        </Title>
        <Text c="var(--kith-quiet)">
          {nobody
            ? 'Your server is running in this browser. Send somebody your invite link to begin.'
            : 'Your chats are on the left. You can also begin a new one.'}
        </Text>
        <Group justify="center">
          <Button leftSection={<IconShare2 size={18} />} onClick={() => onOpen('invite')}>
            Invite someone
          </Button>
          <Button variant="default" leftSection={<IconMessagePlus size={18} />} onClick={() => onOpen('new-chat')}>
            New chat
          </Button>
        </Group>
      </Stack>
    </Center>
  )
}
