import { Alert, Button, Group, Paper, Stack, Text } from '@mantine/core'
import { useState } from 'react'
import type { Chat, ChatOutcome, Invite } from '../chat/chat-model.ts'
import { PersonAvatar } from './person-avatar.tsx'
import { goToRoom } from './route.ts'

export interface InviteCardProps {
  readonly chat: Chat
  readonly invite: Invite
}

/** An invite, to take or to leave. */
export function InviteCard({ chat, invite }: InviteCardProps) {
  const [busy, setBusy] = useState<'accept' | 'decline'>()
  const [failure, setFailure] = useState<string>()
  const answer = async (kind: 'accept' | 'decline', run: () => Promise<ChatOutcome>) => {
    setBusy(kind)
    setFailure(undefined)
    const outcome = await run()
    setBusy(undefined)
    if (outcome.kind === 'failed') setFailure(outcome.reason)
    else if (kind === 'accept') goToRoom(outcome.roomId)
  }
  const accept = () => void answer('accept', () => chat.acceptInvite(invite.roomId))
  const decline = () => void answer('decline', () => chat.declineInvite(invite.roomId))
  return (
    <Paper withBorder p="sm" bg="var(--kith-sunken)" component="section" aria-label={`Invite from ${invite.inviterName}`}>
      <Stack gap="sm">
        <Group gap="sm" wrap="nowrap">
          <PersonAvatar name={invite.inviterName} id={invite.inviterId} />
          <div style={{ minWidth: 0 }}>
            <Text fw={600} truncate>
              {invite.name}
            </Text>
            <Text size="sm" c="var(--kith-quiet)">
              {invite.direct ? 'wants to chat with you' : `${invite.inviterName} invites you`}
            </Text>
          </div>
        </Group>
        {failure === undefined ? null : (
          <Alert color="red" p="xs" role="alert">
            {failure}
          </Alert>
        )}
        <Group grow gap="xs">
          <Button size="sm" loading={busy === 'accept'} disabled={busy === 'decline'} onClick={accept}>
            {failure === undefined ? 'Accept' : 'Try again'}
          </Button>
          <Button size="sm" variant="default" loading={busy === 'decline'} disabled={busy === 'accept'} onClick={decline}>
            Decline
          </Button>
        </Group>
        {busy === 'accept' ? (
          <Text size="xs" c="var(--kith-quiet)" role="status">
            Joining through {invite.inviterName}…
          </Text>
        ) : null}
      </Stack>
    </Paper>
  )
}
