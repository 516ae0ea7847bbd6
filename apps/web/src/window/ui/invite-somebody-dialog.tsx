import { Alert, Button, Center, CopyButton, Loader, Modal, Stack, Text, Textarea } from '@mantine/core'
import { IconCheck, IconCopy } from '@tabler/icons-react'
import { QRCodeSVG } from 'qrcode.react'
import { useCallback, useEffect, useState } from 'react'
import type { Chat } from '../chat/chat-model.ts'

export interface InviteSomebodyDialogProps {
  readonly chat: Chat
  readonly opened: boolean
  readonly onClose: () => void
}

/** My own link, to send and to be scanned. */
export function InviteSomebodyDialog({ chat, opened, onClose }: InviteSomebodyDialogProps) {
  return (
    <Modal opened={opened} onClose={onClose} title="Invite someone" closeButtonProps={{ 'aria-label': 'Close' }}>
      <InviteLink chat={chat} />
    </Modal>
  )
}

function InviteLink({ chat }: { readonly chat: Chat }) {
  const [link, setLink] = useState<string>()
  const [failed, setFailed] = useState(false)
  const load = useCallback(() => {
    chat.contactLink().then(setLink, () => setFailed(true))
  }, [chat])
  useEffect(load, [load])
  const retry = () => {
    setFailed(false)
    load()
  }
  if (failed) {
    return (
      <Alert color="red" title="The link could not be made" role="alert">
        <Button size="xs" onClick={retry}>
          Try again
        </Button>
      </Alert>
    )
  }
  if (link === undefined) {
    return (
      <Center h={320}>
        <Loader aria-label="Making your link" />
      </Center>
    )
  }
  return (
    <Stack>
      <Text size="sm" c="var(--kith-quiet)">
        Whoever opens this link can begin a chat with you. It tells your name, your server and where to find it, and never runs out.
      </Text>
      <Center p="md" bg="white" style={{ borderRadius: 'var(--mantine-radius-md)' }}>
        <QRCodeSVG value={link} size={288} level="L" title="QR code of your invite link" style={{ maxWidth: '100%', height: 'auto' }} />
      </Center>
      <Textarea label="Your invite link" value={link} readOnly rows={3} onFocus={(event) => event.currentTarget.select()} />
      <CopyButton value={link} timeout={2_000}>
        {({ copied, copy }) => (
          <Button leftSection={copied ? <IconCheck size={18} /> : <IconCopy size={18} />} onClick={copy} data-autofocus aria-live="polite">
            {copied ? 'Copied' : 'Copy link'}
          </Button>
        )}
      </CopyButton>
    </Stack>
  )
}
