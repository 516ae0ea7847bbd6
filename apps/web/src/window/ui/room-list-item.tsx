import { Badge, Text, UnstyledButton, VisuallyHidden } from '@mantine/core'
import { memo } from 'react'
import type { RoomSummary } from '../chat/chat-model.ts'
import { PersonAvatar } from './person-avatar.tsx'
import { goToRoom } from './route.ts'
import { shortTime } from './time-text.ts'
import classes from './room-list-item.module.css'

export interface RoomListItemProps {
  readonly room: RoomSummary
  readonly selected: boolean
}

export const RoomListItem = memo(function RoomListItem({ room, selected }: RoomListItemProps) {
  return (
    <UnstyledButton
      className={classes['item']}
      data-selected={selected || undefined}
      aria-current={selected ? 'true' : undefined}
      onClick={() => goToRoom(room.roomId)}
    >
      <PersonAvatar name={room.name} id={room.peerId ?? room.roomId} size={44} />
      <span className={classes['text']}>
        <span className={classes['line']}>
          <Text component="span" fw={room.unread > 0 ? 700 : 500} truncate className={classes['grow'] ?? ''}>
            {room.name}
          </Text>
          <Text component="time" size="xs" c="var(--kith-quiet)" dateTime={new Date(room.lastActivityMs).toISOString()}>
            {shortTime(room.lastActivityMs)}
          </Text>
        </span>
        <span className={classes['line']}>
          <Text component="span" size="sm" c="var(--kith-quiet)" truncate className={classes['grow'] ?? ''}>
            {previewOf(room)}
          </Text>
          {room.unread === 0 ? null : (
            <Badge size="sm" circle={room.unread < 10}>
              {room.unread}
              <VisuallyHidden> unread</VisuallyHidden>
            </Badge>
          )}
        </span>
      </span>
    </UnstyledButton>
  )
})

function previewOf(room: RoomSummary): string {
  if (room.movedTo !== undefined) return 'This chat has moved'
  return room.preview === '' && room.awaitingInvited ? 'Invite sent' : room.preview
}
