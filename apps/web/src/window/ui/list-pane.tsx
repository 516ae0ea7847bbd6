import { ActionIcon, Button, Group, Loader, Menu, ScrollArea, Stack, Text } from '@mantine/core'
import { IconDotsVertical, IconMessagePlus, IconSettings, IconShare2, IconTopologyStar3 } from '@tabler/icons-react'
import type { Chat } from '../chat/chat-model.ts'
import type { NodeAccess } from '../node-access.ts'
import { InviteCard } from './invite-card.tsx'
import { KithMark } from './kith-mark.tsx'
import { nodeText } from './node-progress.tsx'
import { useObservable } from './observe.ts'
import { RoomListItem } from './room-list-item.tsx'
import type { WorkspaceDialog } from './workspace.tsx'
import classes from './list-pane.module.css'

export interface ListPaneProps {
  readonly chat: Chat
  readonly nodeAccess: NodeAccess
  readonly selectedRoomId: string | undefined
  /** No other pane beside it. */
  readonly alone: boolean
  readonly onOpen: (dialog: WorkspaceDialog) => void
}

export function ListPane({ chat, nodeAccess, selectedRoomId, alone, onOpen }: ListPaneProps) {
  const { invites, rooms } = useObservable(chat.rooms)
  return (
    <nav className={classes['pane']} aria-label="Chats">
      <Group className={classes['header']} justify="space-between" wrap="nowrap">
        <KithMark />
        <Group gap={4} wrap="nowrap">
          <ActionIcon variant="subtle" size="lg" aria-label="New chat" title="New chat" onClick={() => onOpen('new-chat')}>
            <IconMessagePlus size={22} />
          </ActionIcon>
          <MainMenu onOpen={onOpen} />
        </Group>
      </Group>
      <ConnectionNote chat={chat} nodeAccess={nodeAccess} />
      <ScrollArea className={classes['scroll'] ?? ''} type="auto" scrollbarSize={8}>
        {invites.length === 0 ? null : (
          <Stack gap="xs" p="xs">
            {invites.map((invite) => (
              <InviteCard key={invite.roomId} chat={chat} invite={invite} />
            ))}
          </Stack>
        )}
        {rooms.length === 0 && invites.length === 0 ? (
          <EmptyList alone={alone} onOpen={onOpen} />
        ) : (
          <ul className={classes['list']}>
            {rooms.map((room) => (
              <li key={room.roomId}>
                <RoomListItem room={room} selected={room.roomId === selectedRoomId} />
              </li>
            ))}
          </ul>
        )}
      </ScrollArea>
      <Footer chat={chat} onOpen={onOpen} />
    </nav>
  )
}

function MainMenu({ onOpen }: { readonly onOpen: ListPaneProps['onOpen'] }) {
  return (
    <Menu position="bottom-end" width={220}>
      <Menu.Target>
        <ActionIcon variant="subtle" size="lg" aria-label="Menu" title="Menu">
          <IconDotsVertical size={22} />
        </ActionIcon>
      </Menu.Target>
      <Menu.Dropdown>
        <Menu.Item leftSection={<IconMessagePlus size={18} />} onClick={() => onOpen('new-chat')}>
          New chat
        </Menu.Item>
        <Menu.Item leftSection={<IconShare2 size={18} />} onClick={() => onOpen('invite')}>
          Invite someone
        </Menu.Item>
        <Menu.Item leftSection={<IconTopologyStar3 size={18} />} onClick={() => onOpen('network')}>
          Network
        </Menu.Item>
        <Menu.Item leftSection={<IconSettings size={18} />} onClick={() => onOpen('settings')}>
          Settings
        </Menu.Item>
      </Menu.Dropdown>
    </Menu>
  )
}

function ConnectionNote({ chat, nodeAccess }: { readonly chat: Chat; readonly nodeAccess: NodeAccess }) {
  const connection = useObservable(chat.connection)
  const text = nodeText(useObservable(nodeAccess.status)) ?? (connection === 'reconnecting' ? 'Waiting for your server…' : undefined)
  return (
    <div role="status">
      {text === undefined ? null : (
        <Group gap="xs" px="md" pb="xs">
          <Loader size="xs" />
          <Text size="sm" c="var(--kith-quiet)">
            {text}
          </Text>
        </Group>
      )}
    </div>
  )
}

function EmptyList({ alone, onOpen }: Pick<ListPaneProps, 'alone' | 'onOpen'>) {
  if (!alone) {
    return (
      <Text size="sm" c="var(--kith-quiet)" p="md">
        No chats yet.
      </Text>
    )
  }
  return (
    <Stack p="lg" gap="sm" align="flex-start">
      <Text fw={600}>No chats yet</Text>
      <Text c="var(--kith-quiet)">Send somebody your invite link. When they open it, the two of you can chat.</Text>
      <Button leftSection={<IconShare2 size={18} />} onClick={() => onOpen('invite')}>
        Invite someone
      </Button>
      <Text c="var(--kith-quiet)" mt="md">
        Did you get a link? Open it, or paste it here.
      </Text>
      <Button variant="default" leftSection={<IconMessagePlus size={18} />} onClick={() => onOpen('new-chat')}>
        New chat
      </Button>
    </Stack>
  )
}

function Footer({ chat, onOpen }: { readonly chat: Chat; readonly onOpen: ListPaneProps['onOpen'] }) {
  const self = useObservable(chat.self)
  return (
    <Group className={classes['footer']} justify="space-between" wrap="nowrap">
      <Text size="sm" truncate title={self.userId}>
        {self.displayName}
      </Text>
      <Button size="compact-sm" variant="subtle" leftSection={<IconTopologyStar3 size={16} />} onClick={() => onOpen('network')}>
        Network
      </Button>
    </Group>
  )
}
