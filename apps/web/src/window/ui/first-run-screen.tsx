import { Alert, Button, Stack, Text, TextInput, Title } from '@mantine/core'
import { useState } from 'react'
import type { SubmitEvent } from 'react'
import { chatLimits } from '../chat/limits.ts'
import { cleanDisplayName } from '../chat/username.ts'
import type { NodeAccess } from '../node-access.ts'
import { CenterScreen } from './center-screen.tsx'
import { NodeProgress } from './node-progress.tsx'
import { useRoute } from './route.ts'

export interface FirstRunScreenProps {
  readonly nodeAccess: NodeAccess
  readonly onBegin: (displayName: string) => Promise<void>
}

/** The only question that is asked before somebody can chat. */
export function FirstRunScreen({ nodeAccess, onBegin }: FirstRunScreenProps) {
  const [name, setName] = useState('')
  const [begun, setBegun] = useState(false)
  const cleaned = cleanDisplayName(name)
  const begin = (event: SubmitEvent) => {
    event.preventDefault()
    if (cleaned === '' || begun) return
    setBegun(true)
    // Browsers are readier to promise it after a click.
    void nodeAccess.requestPersistence()
    void onBegin(cleaned)
  }
  return (
    <CenterScreen>
      <Stack gap={6}>
        <Title order={1} fz="h2">
          Welcome
        </Title>
        <Text c="var(--kith-quiet)">
          Kith runs your own small chat server in this browser. There is no company in between, and nothing to sign up for.
        </Text>
      </Stack>
      <Invitation />
      <form onSubmit={begin}>
        <Stack>
          <TextInput
            label="Your name"
            description="What people you chat with will see. You can change it later."
            placeholder="Ada"
            value={name}
            onChange={(event) => setName(event.currentTarget.value)}
            maxLength={chatLimits.displayNameCharactersMax}
            autoComplete="name"
            data-autofocus
            autoFocus
            required
            withAsterisk={false}
            size="md"
          />
          <Button type="submit" size="md" loading={begun} disabled={cleaned === ''}>
            Start chatting
          </Button>
        </Stack>
      </form>
      <NodeProgress nodeAccess={nodeAccess} />
    </CenterScreen>
  )
}

function Invitation() {
  const route = useRoute()
  if (route.kind !== 'contact' || route.outcome.kind !== 'contact') return null
  return <Alert title={`${route.outcome.contact.displayName} invited you`}>Say who you are, and the chat with them comes next.</Alert>
}
