import { ActionIcon, Text, Textarea } from '@mantine/core'
import { IconSend2 } from '@tabler/icons-react'
import { useEffect, useRef, useState } from 'react'
import type { KeyboardEvent } from 'react'
import { unreachable } from '@kith/matrix-protocol'
import type { RoomView } from '../chat/chat-model.ts'
import type { PutOutcome } from '../chat/outbox.ts'
import classes from './composer.module.css'

export interface ComposerProps {
  readonly view: RoomView
  readonly roomName: string
}

/** Begun messages, kept while another chat is open. */
const drafts = new Map<string, string>()

export function Composer({ view, roomName }: ComposerProps) {
  const [text, setText] = useState(() => drafts.get(view.roomId) ?? '')
  const [failure, setFailure] = useState<string>()
  const field = useRef<HTMLTextAreaElement>(null)
  useEffect(() => {
    // On a phone the keyboard would cover the chat that was just opened.
    if (matchMedia('(pointer: fine)').matches) field.current?.focus()
    return () => view.setTyping(false)
  }, [view])
  const change = (changed: string) => {
    setText(changed)
    drafts.set(view.roomId, changed)
    view.setTyping(changed !== '')
  }
  const send = async () => {
    const message = text.trim()
    if (message === '') return
    setFailure(undefined)
    change('')
    const outcome = await view.send(message)
    if (outcome.kind === 'stored') return
    // Give it back, unless something new was begun meanwhile.
    if ((drafts.get(view.roomId) ?? '') === '') change(message)
    setFailure(failureText(outcome))
  }
  const onKeyDown = (event: KeyboardEvent) => {
    // While an input method is composing, Enter chooses a candidate.
    if (event.key !== 'Enter' || event.shiftKey || event.nativeEvent.isComposing) return
    event.preventDefault()
    void send()
  }
  return (
    <form
      className={classes['composer']}
      onSubmit={(event) => {
        event.preventDefault()
        void send()
      }}
    >
      {failure === undefined ? null : (
        <Text size="sm" c="red" role="alert" pb={4}>
          {failure}
        </Text>
      )}
      <div className={classes['line']}>
        <Textarea
          ref={field}
          className={classes['field'] ?? ''}
          aria-label="Message"
          placeholder={`Message ${roomName}`}
          autosize
          minRows={1}
          maxRows={8}
          size="md"
          radius="lg"
          value={text}
          onChange={(event) => change(event.currentTarget.value)}
          onKeyDown={onKeyDown}
          enterKeyHint="send"
          autoComplete="off"
        />
        <ActionIcon type="submit" size={42} radius="xl" aria-label="Send" title="Send" disabled={text.trim() === ''}>
          <IconSend2 size={20} />
        </ActionIcon>
      </div>
    </form>
  )
}

function failureText(outcome: Exclude<PutOutcome, { kind: 'stored' }>): string {
  switch (outcome.kind) {
    case 'full':
      return 'Too many messages are waiting to be sent. Try again when some have gone.'
    case 'too-long':
      return 'This message is too long. Send it in parts.'
    case 'storage-failed':
      return 'This device could not store the message, so it was not sent. Is its storage full?'
    case 'stopped':
      return 'The chat has moved to another tab, so this was not sent.'
    default:
      return unreachable(outcome)
  }
}
