import '@mantine/notifications/styles.css'
import { useMediaQuery } from '@mantine/hooks'
import { Notifications } from '@mantine/notifications'
import { useEffect, useState } from 'react'
import type { Chat } from '../chat/chat-model.ts'
import type { NodeAccess } from '../node-access.ts'
import { ContactScreen } from './contact-screen.tsx'
import { EmptyPane } from './empty-pane.tsx'
import { InviteSomebodyDialog } from './invite-somebody-dialog.tsx'
import { ListPane } from './list-pane.tsx'
import { NetworkPanel } from './network-panel.tsx'
import { NewChatDialog } from './new-chat-dialog.tsx'
import { useObservable } from './observe.ts'
import { RoomPane } from './room-pane.tsx'
import { goToList, useRoute } from './route.ts'
import { SettingsDialog } from './settings-dialog.tsx'
import classes from './workspace.module.css'

export type WorkspaceDialog = 'new-chat' | 'invite' | 'network' | 'settings'

export interface WorkspaceProps {
  readonly chat: Chat
  readonly nodeAccess: NodeAccess
}

/** The chats: side by side where there is room, else one screen at a time. */
export function Workspace({ chat, nodeAccess }: WorkspaceProps) {
  const route = useRoute()
  const narrow = useMediaQuery('(max-width: 48rem)', false, { getInitialValueInEffect: false })
  const [dialog, setDialog] = useState<WorkspaceDialog>()
  const close = () => setDialog(undefined)
  useUnreadTitle(chat)
  const selected = route.kind === 'room' ? route.roomId : undefined
  const main =
    route.kind === 'contact' ? (
      <ContactScreen chat={chat} outcome={route.outcome} />
    ) : selected === undefined ? (
      <EmptyPane chat={chat} onOpen={setDialog} />
    ) : (
      <RoomPane key={selected} chat={chat} roomId={selected} onBack={narrow ? goToList : undefined} />
    )
  return (
    <div className={classes['workspace']}>
      <Notifications position="top-center" />
      {narrow && route.kind !== 'list' ? null : (
        <ListPane chat={chat} nodeAccess={nodeAccess} selectedRoomId={selected} alone={narrow} onOpen={setDialog} />
      )}
      {narrow && route.kind === 'list' ? null : main}
      <NewChatDialog chat={chat} opened={dialog === 'new-chat'} onClose={close} onInvite={() => setDialog('invite')} />
      <InviteSomebodyDialog chat={chat} opened={dialog === 'invite'} onClose={close} />
      <NetworkPanel chat={chat} nodeAccess={nodeAccess} opened={dialog === 'network'} onClose={close} />
      <SettingsDialog chat={chat} opened={dialog === 'settings'} onClose={close} />
    </div>
  )
}

/** The tab tells of messages while another one is in front. */
function useUnreadTitle(chat: Chat): void {
  const { rooms, invites } = useObservable(chat.rooms)
  const unread = rooms.reduce((sum, room) => sum + room.unread, invites.length)
  useEffect(() => {
    document.title = unread === 0 ? 'Kith' : `(${unread}) Kith`
  }, [unread])
}
