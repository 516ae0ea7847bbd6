import { Divider, Text } from '@mantine/core'
import { IconLock, IconTrash } from '@tabler/icons-react'
import { memo } from 'react'
import type { RoomView } from '../chat/chat-model.ts'
import type { MessageBody, MessageEvent, TimelineItem } from '../chat/timeline-items.ts'
import { DeliveryMark, FailedMark, progressText } from './delivery-mark.tsx'
import { PersonAvatar } from './person-avatar.tsx'
import { dayText, fullTime, timeOfDay } from './time-text.ts'
import classes from './timeline-row.module.css'

export interface TimelineRowProps {
  readonly item: TimelineItem
  readonly view: RoomView
  readonly showName: boolean
  /** Says in words how far the message has come. */
  readonly captioned: boolean
}

export const TimelineRow = memo(function TimelineRow({ item, view, showName, captioned }: TimelineRowProps) {
  switch (item.kind) {
    case 'day':
      return (
        <Divider className={classes['day'] ?? ''} label={<time dateTime={new Date(item.atMs).toISOString()}>{dayText(item.atMs)}</time>} />
      )
    case 'notice':
      return (
        <Text className={classes['notice'] ?? ''} size="xs" ta="center" c="var(--kith-quiet)" title={fullTime(item.event.atMs)}>
          {item.event.text}
        </Text>
      )
    case 'message':
      return <MessageRow item={item} view={view} showName={showName} captioned={captioned} />
  }
})

interface MessageRowProps extends TimelineRowProps {
  readonly item: Extract<TimelineItem, { kind: 'message' }>
}

function MessageRow({ item, view, showName, captioned }: MessageRowProps) {
  const { event, startsGroup, endsGroup } = item
  return (
    <article
      className={classes['message']}
      data-own={event.own || undefined}
      data-starts-group={startsGroup || undefined}
      data-ends-group={endsGroup || undefined}
      data-event-key={event.key}
      aria-label={`${event.own ? 'You' : event.senderName}, ${timeOfDay(event.atMs)}`}
    >
      {event.own ? null : (
        <span className={classes['avatar']}>
          {endsGroup ? <PersonAvatar name={event.senderName} id={event.senderId} size={32} /> : null}
        </span>
      )}
      <div className={classes['column']}>
        {startsGroup && showName && !event.own ? (
          <Text size="xs" fw={600} c="var(--kith-accent)" pl={12}>
            {event.senderName}
          </Text>
        ) : null}
        <div className={classes['bubble']}>
          <Body body={event.body} senderName={event.senderName} />
          <span className={classes['meta']}>
            <time dateTime={new Date(event.atMs).toISOString()} title={fullTime(event.atMs)}>
              {timeOfDay(event.atMs)}
            </time>
            {event.progress === undefined ? null : <DeliveryMark progress={event.progress} />}
          </span>
        </div>
        <Below event={event} view={view} captioned={captioned} />
      </div>
    </article>
  )
}

function Below({ event, view, captioned }: { readonly event: MessageEvent; readonly view: RoomView; readonly captioned: boolean }) {
  const { progress } = event
  if (progress === undefined) return null
  if (progress.kind === 'failed') return <FailedMark progress={progress} view={view} />
  if (!captioned) return null
  return (
    <Text size="xs" c="var(--kith-quiet)" ta="right" pr={4} aria-hidden>
      {progressText(progress)}
    </Text>
  )
}

function Body({ body, senderName }: { readonly body: MessageBody; readonly senderName: string }) {
  switch (body.kind) {
    case 'text':
      return (
        <span className={classes['text']} data-message-text data-style={body.style}>
          {body.style === 'emote' ? `${senderName} ${body.text}` : body.text}
        </span>
      )
    case 'unsupported':
      return <Quiet>This is {body.what}, which Kith cannot show yet.</Quiet>
    case 'decrypting':
      return <Quiet icon="lock">Decrypting…</Quiet>
    case 'undecryptable':
      return <Quiet icon="lock">The key for this message has not arrived yet.</Quiet>
    case 'deleted':
      return <Quiet icon="trash">This message was deleted.</Quiet>
  }
}

function Quiet({ icon, children }: { readonly icon?: 'lock' | 'trash'; readonly children: React.ReactNode }) {
  return (
    <span className={classes['quiet']}>
      {icon === 'lock' ? <IconLock size={15} aria-hidden /> : null}
      {icon === 'trash' ? <IconTrash size={15} aria-hidden /> : null}
      {children}
    </span>
  )
}
