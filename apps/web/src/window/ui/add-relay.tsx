import { Button, Group, TextInput } from '@mantine/core'
import { useState } from 'react'
import type { SubmitEvent } from 'react'
import type { Chat } from '../chat/chat-model.ts'

/** Chooses another relay by its address. */
export function AddRelay({ chat }: { readonly chat: Chat }) {
  const [address, setAddress] = useState('')
  const [busy, setBusy] = useState(false)
  const [failure, setFailure] = useState<string>()
  const add = async (event: SubmitEvent) => {
    event.preventDefault()
    setBusy(true)
    setFailure(undefined)
    const outcome = await chat.addRelay(address.trim())
    setBusy(false)
    if (outcome.kind === 'failed') setFailure(outcome.reason)
    else setAddress('')
  }
  return (
    <form onSubmit={(event) => void add(event)}>
      <Group align="flex-end" wrap="nowrap">
        <TextInput
          flex={1}
          label="Add a relay"
          placeholder="/dns4/…/tcp/443/wss/p2p/…"
          value={address}
          onChange={(event) => setAddress(event.currentTarget.value)}
          error={failure}
          autoComplete="off"
          spellCheck={false}
        />
        <Button type="submit" variant="light" loading={busy} disabled={!address.trim().startsWith('/')}>
          Add
        </Button>
      </Group>
    </form>
  )
}
