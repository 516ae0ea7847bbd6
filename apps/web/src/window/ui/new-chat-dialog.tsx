import { Alert, Anchor, Button, Group, Modal, Stack, Text } from '@mantine/core'
import { useState } from 'react'
import type { SubmitEvent } from 'react'
import type { Chat } from '../chat/chat-model.ts'
import { ContactField, contactInputOf } from './contact-field.tsx'
import { fingerprintOf } from '../chat/fingerprint-of.ts'
import { Fingerprint } from './fingerprint.tsx'
import { goToRoom } from './route.ts'

export interface NewChatDialogProps {
  readonly chat: Chat
  readonly opened: boolean
  readonly onClose: () => void
  readonly onInvite: () => void
}

export function NewChatDialog(props: NewChatDialogProps) {
  return (
    <Modal opened={props.opened} onClose={props.onClose} title="New chat" closeButtonProps={{ 'aria-label': 'Close' }}>
      <NewChatForm {...props} />
    </Modal>
  )
}

function NewChatForm({ chat, onClose, onInvite }: NewChatDialogProps) {
  const [value, setValue] = useState('')
  const [busy, setBusy] = useState(false)
  const [failure, setFailure] = useState<string>()
  const input = contactInputOf(value)
  const start = async (event: SubmitEvent) => {
    event.preventDefault()
    if (input.kind !== 'contact' || busy) return
    setBusy(true)
    setFailure(undefined)
    const outcome = await chat.startDirectChat(input.contact)
    setBusy(false)
    if (outcome.kind === 'failed') return setFailure(outcome.reason)
    onClose()
    goToRoom(outcome.roomId)
  }
  return (
    <form onSubmit={(event) => void start(event)}>
      <Stack>
        <ContactField value={value} onChange={setValue} focused />
        {input.kind === 'contact' ? (
          <Stack gap="xs">
            <Text size="sm">
              Fingerprint of <strong>{input.contact.displayName}</strong>
            </Text>
            <Fingerprint value={fingerprintOf(input.contact.serverName)} />
          </Stack>
        ) : null}
        {failure === undefined ? null : (
          <Alert color="red" role="alert">
            {failure}
          </Alert>
        )}
        <Text size="sm" c="var(--kith-quiet)" role="status">
          {busy && input.kind === 'contact' ? `Looking for ${input.contact.displayName} in the network…` : ''}
        </Text>
        <Group justify="space-between">
          <Anchor component="button" type="button" size="sm" onClick={onInvite}>
            Or send your own link
          </Anchor>
          <Button type="submit" loading={busy} disabled={input.kind !== 'contact'}>
            {failure === undefined ? 'Start chat' : 'Try again'}
          </Button>
        </Group>
      </Stack>
    </form>
  )
}
