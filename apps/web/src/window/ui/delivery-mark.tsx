import { Button, Group, Text, VisuallyHidden } from '@mantine/core'
import { IconAlertCircle, IconChecks, IconClock, IconDots, IconHourglassEmpty, IconMailbox } from '@tabler/icons-react'
import type { RoomView } from '../chat/chat-model.ts'
import type { MessageProgress } from '../chat/timeline-items.ts'

type Failed = Extract<MessageProgress, { kind: 'failed' }>

interface Look {
  /** The value of `data-delivery-state`. */
  readonly state: string
  /** Read aloud. */
  readonly label: string
  readonly Icon: typeof IconClock
}

const looks: Readonly<Record<MessageProgress['kind'], Look>> = {
  sending: { state: 'sending', label: 'Sending', Icon: IconClock },
  unknown: { state: 'unknown', label: 'Checking', Icon: IconDots },
  waiting: { state: 'waiting', label: 'Waiting for peer', Icon: IconHourglassEmpty },
  alone: { state: 'waiting', label: 'Waiting for peer', Icon: IconHourglassEmpty },
  'at-relay': { state: 'at_relay', label: 'At a relay', Icon: IconMailbox },
  delivered: { state: 'delivered', label: 'Delivered', Icon: IconChecks },
  failed: { state: 'failed', label: 'Not sent', Icon: IconAlertCircle },
}

/** How far an own message has come, as an icon with words for those who cannot see it. */
export function DeliveryMark({ progress }: { readonly progress: MessageProgress }) {
  const { state, label, Icon } = looks[progress.kind]
  return (
    <span data-delivery-state={state} title={progressText(progress)} style={{ display: 'inline-flex', color: colorOf(progress) }}>
      <Icon size={15} aria-hidden />
      <VisuallyHidden>{label}</VisuallyHidden>
    </span>
  )
}

/** Why a message was not sent, and what can be done about it. */
export function FailedMark({ progress, view }: { readonly progress: Failed; readonly view: RoomView }) {
  const { transactionId } = progress
  return (
    <Group gap="xs" justify="flex-end" pt={4}>
      <Text size="xs" c="red" role="alert">
        Not sent: {progress.reason}
      </Text>
      <Button size="compact-xs" variant="light" onClick={() => void view.retry(transactionId)}>
        Try again
      </Button>
      <Button size="compact-xs" variant="default" onClick={() => void view.drop(transactionId)}>
        Remove
      </Button>
    </Group>
  )
}

/** The same in words, with names. */
export function progressText(progress: MessageProgress): string {
  switch (progress.kind) {
    case 'sending':
      return 'Sending…'
    case 'unknown':
      return 'Checking…'
    case 'waiting':
      return `Waiting for ${namesText(progress.names)}`
    case 'alone':
      return progress.invited.length === 0
        ? 'Nobody else is in this chat'
        : `Waiting for ${namesText(progress.invited)} to accept the invite`
    case 'at-relay':
      return `At a relay, until ${namesText(progress.names)} can be reached`
    case 'delivered':
      return 'Delivered'
    case 'failed':
      return 'Not sent'
  }
}

function namesText(names: readonly string[]): string {
  if (names.length === 0) return 'the others'
  return names.length <= 2 ? names.join(' and ') : `${names[0]} and ${names.length - 1} others`
}

function colorOf(progress: MessageProgress): string {
  switch (progress.kind) {
    case 'delivered':
      return 'var(--kith-accent)'
    case 'failed':
      return 'var(--mantine-color-error)'
    case 'sending':
    case 'unknown':
    case 'waiting':
    case 'alone':
    case 'at-relay':
      return 'inherit'
  }
}
