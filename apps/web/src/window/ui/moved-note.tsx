import { Alert, Button, Group, Stack, Text } from '@mantine/core'
import { useState } from 'react'
import type { Chat } from '../chat/chat-model.ts'
import { goToRoom } from './route.ts'

export interface MovedNoteProps {
  readonly chat: Chat
  /** The closed room. */
  readonly roomId: string
}

/** Stands where one would write, in a room that was closed in favour of another. */
export function MovedNote({ chat, roomId }: MovedNoteProps) {
  const [busy, setBusy] = useState(false)
  const [failure, setFailure] = useState<string>()
  const follow = async () => {
    setBusy(true)
    setFailure(undefined)
    const outcome = await chat.followRoom(roomId)
    setBusy(false)
    if (outcome.kind === 'failed') setFailure(outcome.reason)
    else goToRoom(outcome.roomId)
  }
  return (
    <Stack component="section" aria-label="This chat has moved" gap="xs" p="md" style={{ flex: 'none' }}>
      {failure === undefined ? null : (
        <Alert color="red" p="xs" role="alert">
          {failure}
        </Alert>
      )}
      <Group gap="sm" justify="space-between">
        <Text size="sm">This chat has moved. What was said here stays readable.</Text>
        <Button size="sm" loading={busy} onClick={() => void follow()}>
          {failure === undefined ? 'Go to the new chat' : 'Try again'}
        </Button>
      </Group>
    </Stack>
  )
}
