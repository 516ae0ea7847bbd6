import { Alert, Badge, Button, Divider, Drawer, Group, Stack, Text, Title } from '@mantine/core'
import { useState } from 'react'
import type { SubmitEvent } from 'react'
import type { Chat, Member, RoomView } from '../chat/chat-model.ts'
import { ContactField, contactInputOf } from './contact-field.tsx'
import { useObservable } from './observe.ts'
import { PersonAvatar } from './person-avatar.tsx'
import { replaceRoute } from './route.ts'

export interface MembersPanelProps {
  readonly chat: Chat
  readonly view: RoomView
  readonly opened: boolean
  readonly onClose: () => void
}

export function MembersPanel({ chat, view, opened, onClose }: MembersPanelProps) {
  const members = useObservable(view.members)
  return (
    <Drawer opened={opened} onClose={onClose} position="right" size={400} title="Members" closeButtonProps={{ 'aria-label': 'Close' }}>
      <Stack gap="lg">
        <Stack gap="sm" component="ul" p={0} m={0} style={{ listStyle: 'none' }}>
          {members.map((member) => (
            <MemberRow key={member.userId} member={member} />
          ))}
        </Stack>
        <Divider />
        <InviteMore chat={chat} view={view} />
        <Divider />
        <LeaveChat chat={chat} view={view} onLeft={onClose} />
      </Stack>
    </Drawer>
  )
}

function MemberRow({ member }: { readonly member: Member }) {
  return (
    <Group component="li" wrap="nowrap" align="flex-start">
      <PersonAvatar name={member.displayName} id={member.userId} />
      <div style={{ minWidth: 0, flex: 1 }}>
        <Group gap="xs">
          <Text fw={500} style={{ overflowWrap: 'anywhere' }}>
            {member.displayName}
          </Text>
          {member.self ? <Badge variant="light">You</Badge> : null}
          {member.membership === 'invite' ? (
            <Badge variant="light" color="orange">
              Invited
            </Badge>
          ) : null}
        </Group>
        <Text size="xs" c="var(--kith-quiet)" style={{ overflowWrap: 'anywhere' }}>
          {member.userId}
        </Text>
      </div>
    </Group>
  )
}

function InviteMore({ chat, view }: { readonly chat: Chat; readonly view: RoomView }) {
  const [value, setValue] = useState('')
  const [busy, setBusy] = useState(false)
  const [outcome, setOutcome] = useState<{ readonly failed: boolean; readonly text: string }>()
  const input = contactInputOf(value)
  const invite = async (event: SubmitEvent) => {
    event.preventDefault()
    if (input.kind !== 'contact' || busy) return
    setBusy(true)
    setOutcome(undefined)
    const result = await chat.inviteTo(view.roomId, input.contact)
    setBusy(false)
    if (result.kind === 'failed') return setOutcome({ failed: true, text: result.reason })
    setValue('')
    setOutcome({ failed: false, text: `${input.contact.displayName} is invited.` })
  }
  return (
    <form onSubmit={(event) => void invite(event)}>
      <Stack gap="sm">
        <Title order={3} fz="md">
          Invite more people
        </Title>
        <ContactField value={value} onChange={setValue} />
        {outcome === undefined ? null : (
          <Alert color={outcome.failed ? 'red' : 'kith'} p="xs" role={outcome.failed ? 'alert' : 'status'}>
            {outcome.text}
          </Alert>
        )}
        <Button type="submit" variant="light" loading={busy} disabled={input.kind !== 'contact'}>
          Invite
        </Button>
      </Stack>
    </form>
  )
}

function LeaveChat({ chat, view, onLeft }: { readonly chat: Chat; readonly view: RoomView; readonly onLeft: () => void }) {
  const [asked, setAsked] = useState(false)
  const [busy, setBusy] = useState(false)
  const [failure, setFailure] = useState<string>()
  const leave = async () => {
    setBusy(true)
    const outcome = await chat.leaveRoom(view.roomId)
    setBusy(false)
    if (outcome.kind === 'failed') return setFailure(outcome.reason)
    onLeft()
    replaceRoute(undefined)
  }
  if (!asked) {
    return (
      <Button variant="subtle" color="red" onClick={() => setAsked(true)}>
        Leave this chat
      </Button>
    )
  }
  return (
    <Stack gap="sm">
      <Text size="sm">You will not get any more messages of this chat, and can come back only when somebody invites you again.</Text>
      {failure === undefined ? null : (
        <Alert color="red" p="xs" role="alert">
          {failure}
        </Alert>
      )}
      <Group grow>
        <Button variant="default" onClick={() => setAsked(false)}>
          Stay
        </Button>
        <Button color="red" loading={busy} onClick={() => void leave()}>
          Leave
        </Button>
      </Group>
    </Stack>
  )
}
