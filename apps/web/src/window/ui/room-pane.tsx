import { ActionIcon, Alert, Button, Center, Group, Loader, Stack, Text, Title } from '@mantine/core'
import { IconArrowLeft, IconLock, IconLockOpen, IconUsers } from '@tabler/icons-react'
import { useState } from 'react'
import type { Chat, RoomSummary, RoomView } from '../chat/chat-model.ts'
import { Composer } from './composer.tsx'
import { InviteCard } from './invite-card.tsx'
import { MembersPanel } from './members-panel.tsx'
import { useObservable } from './observe.ts'
import { MovedNote } from './moved-note.tsx'
import { PersonAvatar } from './person-avatar.tsx'
import { goToList } from './route.ts'
import { TimelineList } from './timeline-list.tsx'
import classes from './room-pane.module.css'

export interface RoomPaneProps {
  readonly chat: Chat
  readonly roomId: string
  /** Given where the list is a screen of its own. */
  readonly onBack: (() => void) | undefined
}

export function RoomPane({ chat, roomId, onBack }: RoomPaneProps) {
  const { rooms, invites } = useObservable(chat.rooms)
  const summary = rooms.find((room) => room.roomId === roomId)
  const invite = invites.find((candidate) => candidate.roomId === roomId)
  const view = summary === undefined ? undefined : chat.openRoom(roomId)
  if (summary !== undefined && view !== undefined) return <OpenedRoom chat={chat} summary={summary} view={view} onBack={onBack} />
  return (
    <Center component="main" flex={1} p="md">
      {invite === undefined ? (
        <Stack align="center">
          <Text c="var(--kith-quiet)">This chat is not on this device.</Text>
          <Button variant="default" onClick={goToList}>
            Back to your chats
          </Button>
        </Stack>
      ) : (
        <InviteCard chat={chat} invite={invite} />
      )}
    </Center>
  )
}

interface OpenedRoomProps {
  readonly chat: Chat
  readonly summary: RoomSummary
  readonly view: RoomView
  readonly onBack: (() => void) | undefined
}

function OpenedRoom({ chat, summary, view, onBack }: OpenedRoomProps) {
  const [membersOpened, setMembersOpened] = useState(false)
  const members = useObservable(view.members)
  return (
    <main className={classes['pane']}>
      <header className={classes['header']}>
        {onBack === undefined ? null : (
          <ActionIcon variant="subtle" size="lg" aria-label="Back to chats" onClick={onBack}>
            <IconArrowLeft size={22} />
          </ActionIcon>
        )}
        <PersonAvatar name={summary.name} id={summary.peerId ?? summary.roomId} />
        <div className={classes['title']}>
          <Title order={1} fz="md" lh={1.3} className={classes['name'] ?? ''}>
            {summary.name}
          </Title>
          <Subtitle summary={summary} memberCount={members.length} />
        </div>
        <ActionIcon variant="subtle" size="lg" aria-label="Members" title="Members" onClick={() => setMembersOpened(true)}>
          <IconUsers size={22} />
        </ActionIcon>
      </header>
      <TimelineList view={view} showNames={members.length > 2} />
      <AwaitingNote summary={summary} />
      <Typing view={view} />
      {summary.movedTo === undefined ? <Composer view={view} roomName={summary.name} /> : <MovedNote chat={chat} roomId={summary.roomId} />}
      <MembersPanel chat={chat} view={view} opened={membersOpened} onClose={() => setMembersOpened(false)} />
    </main>
  )
}

function Subtitle({ summary, memberCount }: { readonly summary: RoomSummary; readonly memberCount: number }) {
  const people = memberCount > 2 ? `${memberCount} people · ` : ''
  return (
    <Group gap={4} wrap="nowrap" c="var(--kith-quiet)">
      {summary.encrypted ? <IconLock size={13} aria-hidden /> : <IconLockOpen size={13} aria-hidden />}
      <Text size="xs" truncate>
        {people}
        {summary.encrypted ? 'End-to-end encrypted' : 'Not encrypted'}
      </Text>
    </Group>
  )
}

function AwaitingNote({ summary }: { readonly summary: RoomSummary }) {
  if (!summary.awaitingInvited) return null
  return (
    <Alert className={classes['note'] ?? ''} p="xs" variant="light">
      <Text size="sm">{summary.name} has not accepted the invite yet. What you write now waits until they have.</Text>
    </Alert>
  )
}

function Typing({ view }: { readonly view: RoomView }) {
  const names = useObservable(view.typing)
  return (
    <div className={classes['typing']} role="status">
      {names.length === 0 ? null : (
        <Group gap="xs">
          <Loader type="dots" size="xs" />
          <Text size="xs" c="var(--kith-quiet)">
            {names.length === 1 ? `${names[0]} is writing…` : `${names.length} people are writing…`}
          </Text>
        </Group>
      )}
    </div>
  )
}
