import { Button, Divider, Input, Modal, SegmentedControl, Stack, Text, TextInput, useMantineColorScheme } from '@mantine/core'
import { notifications } from '@mantine/notifications'
import { useState } from 'react'
import type { SubmitEvent } from 'react'
import type { Chat } from '../chat/chat-model.ts'
import { chatLimits } from '../chat/limits.ts'
import { cleanDisplayName } from '../chat/username.ts'
import { useObservable } from './observe.ts'

export interface SettingsDialogProps {
  readonly chat: Chat
  readonly opened: boolean
  readonly onClose: () => void
}

export function SettingsDialog({ chat, opened, onClose }: SettingsDialogProps) {
  return (
    <Modal opened={opened} onClose={onClose} title="Settings" closeButtonProps={{ 'aria-label': 'Close' }}>
      <Stack gap="lg">
        <NameForm chat={chat} />
        <Divider />
        <Appearance />
        <Divider />
        <Stack gap={4}>
          <Text fw={600}>About Kith</Text>
          <Text size="sm" c="var(--kith-quiet)">
            Every device is its own Matrix server. Yours runs in this browser; other servers reach it directly or through relays. What you
            write in encrypted chats can be read only by the people in them.
          </Text>
        </Stack>
      </Stack>
    </Modal>
  )
}

function NameForm({ chat }: { readonly chat: Chat }) {
  const self = useObservable(chat.self)
  const [name, setName] = useState(self.displayName)
  const [busy, setBusy] = useState(false)
  const [failure, setFailure] = useState<string>()
  const cleaned = cleanDisplayName(name)
  const save = async (event: SubmitEvent) => {
    event.preventDefault()
    setBusy(true)
    setFailure(undefined)
    const outcome = await chat.setDisplayName(cleaned)
    setBusy(false)
    if (outcome.kind === 'failed') setFailure(outcome.reason)
    else notifications.show({ message: 'Your name is changed.' })
  }
  return (
    <form onSubmit={(event) => void save(event)}>
      <Stack gap="sm" align="flex-start">
        <TextInput
          w="100%"
          label="Your name"
          value={name}
          onChange={(event) => setName(event.currentTarget.value)}
          maxLength={chatLimits.displayNameCharactersMax}
          error={failure}
          data-autofocus
        />
        <Button type="submit" variant="light" loading={busy} disabled={cleaned === '' || cleaned === self.displayName}>
          Save name
        </Button>
      </Stack>
    </form>
  )
}

function Appearance() {
  const { colorScheme, setColorScheme } = useMantineColorScheme()
  return (
    <Input.Wrapper label="Appearance" labelElement="div">
      <SegmentedControl
        fullWidth
        mt={6}
        aria-label="Appearance"
        value={colorScheme}
        onChange={(value) => setColorScheme(value === 'light' || value === 'dark' ? value : 'auto')}
        data={[
          { value: 'auto', label: 'As the system' },
          { value: 'light', label: 'Light' },
          { value: 'dark', label: 'Dark' },
        ]}
      />
    </Input.Wrapper>
  )
}
