import { Alert, Button, Center, Group, Paper, Stack, Text, Title } from '@mantine/core'
import { useState } from 'react'
import type { Chat } from '../chat/chat-model.ts'
import type { Contact, ContactLinkOutcome } from '../chat/contact-link.ts'
import { fingerprintOf } from '../chat/fingerprint-of.ts'
import { Fingerprint } from './fingerprint.tsx'
import { useObservable } from './observe.ts'
import { PersonAvatar } from './person-avatar.tsx'
import { replaceRoute } from './route.ts'
import classes from './screen-pane.module.css'

export interface ContactScreenProps {
  readonly chat: Chat
  readonly outcome: ContactLinkOutcome
}

/** Shown when an invite link was opened. */
export function ContactScreen({ chat, outcome }: ContactScreenProps) {
  return (
    <Center component="main" className={classes['screen'] ?? ''}>
      <Paper className={classes['card'] ?? ''} radius="lg">
        {outcome.kind === 'contact' ? (
          <Offer key={outcome.contact.userId} chat={chat} contact={outcome.contact} />
        ) : (
          <BadLink outcome={outcome} />
        )}
      </Paper>
    </Center>
  )
}

function BadLink({ outcome }: { readonly outcome: Exclude<ContactLinkOutcome, { kind: 'contact' }> }) {
  return (
    <Stack>
      <Alert color="red" title="This invite link does not work" role="alert">
        {outcome.kind === 'invalid' ? outcome.reason : 'It is no invite link.'}
      </Alert>
      <Button variant="default" onClick={() => replaceRoute(undefined)}>
        Back to your chats
      </Button>
    </Stack>
  )
}

function Offer({ chat, contact }: { readonly chat: Chat; readonly contact: Contact }) {
  const self = useObservable(chat.self)
  const [busy, setBusy] = useState(false)
  const [failure, setFailure] = useState<string>()
  const own = contact.userId === self.userId
  const start = async () => {
    setBusy(true)
    setFailure(undefined)
    const outcome = await chat.startDirectChat(contact)
    setBusy(false)
    if (outcome.kind === 'failed') setFailure(outcome.reason)
    else replaceRoute(outcome.roomId)
  }
  return (
    <Stack gap="md">
      <Group wrap="nowrap">
        <PersonAvatar name={contact.displayName} id={contact.userId} size={56} />
        <Title order={1} fz="h3" style={{ overflowWrap: 'anywhere' }}>
          {own ? 'This is your own invite link' : `Start a chat with ${contact.displayName}?`}
        </Title>
      </Group>
      {own ? (
        <Text c="var(--kith-quiet)">Send it to somebody else: whoever opens it can chat with you.</Text>
      ) : (
        <>
          <Text c="var(--kith-quiet)" size="sm">
            Anybody may call themselves {contact.displayName}. To be sure, ask them to read their fingerprint to you; it is in their network
            panel.
          </Text>
          <Fingerprint value={fingerprintOf(contact.serverName)} />
          <Text size="xs" c="var(--kith-quiet)" style={{ overflowWrap: 'anywhere' }}>
            {contact.userId}
          </Text>
        </>
      )}
      {failure === undefined ? null : (
        <Alert color="red" role="alert">
          {failure}
        </Alert>
      )}
      <Group grow>
        <Button variant="default" onClick={() => replaceRoute(undefined)} disabled={busy}>
          {own ? 'Back' : 'Not now'}
        </Button>
        {own ? null : (
          <Button onClick={() => void start()} loading={busy} data-autofocus autoFocus>
            {failure === undefined ? 'Start chat' : 'Try again'}
          </Button>
        )}
      </Group>
      <Text size="sm" c="var(--kith-quiet)" role="status" mih="1.5em">
        {busy ? `Looking for ${contact.displayName} in the network…` : ''}
      </Text>
    </Stack>
  )
}
