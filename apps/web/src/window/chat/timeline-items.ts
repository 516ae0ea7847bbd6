import { unreachable } from '@kith/matrix-protocol'
import { chatLimits } from './limits.ts'

/** How far an own message has come. `names` are those the message still waits for. */
export type MessageProgress =
  | { readonly kind: 'sending' }
  | { readonly kind: 'failed'; readonly reason: string; readonly transactionId: string }
  /** With the node, which has not said yet where the message is. */
  | { readonly kind: 'unknown' }
  | { readonly kind: 'waiting'; readonly names: readonly string[] }
  | { readonly kind: 'at-relay'; readonly names: readonly string[] }
  | { readonly kind: 'delivered' }
  /** Nobody else is in the room; `invited` are asked to come. */
  | { readonly kind: 'alone'; readonly invited: readonly string[] }

export type MessageBody =
  | { readonly kind: 'text'; readonly text: string; readonly style: 'normal' | 'notice' | 'emote' }
  | { readonly kind: 'unsupported'; readonly what: string }
  | { readonly kind: 'decrypting' }
  | { readonly kind: 'undecryptable' }
  | { readonly kind: 'deleted' }

export interface MessageEvent {
  readonly kind: 'message'
  /** Stays the same from the composer on until the message is read back from the server. */
  readonly key: string
  readonly senderId: string
  readonly senderName: string
  readonly own: boolean
  readonly atMs: number
  readonly body: MessageBody
  /** Only for own messages. */
  readonly progress?: MessageProgress
}

/** Something that happened in the room, told in small text. */
export interface NoticeEvent {
  readonly kind: 'notice'
  readonly key: string
  readonly atMs: number
  readonly text: string
}

export type TimelineEvent = MessageEvent | NoticeEvent

export type TimelineItem =
  | { readonly kind: 'day'; readonly key: string; readonly atMs: number }
  | { readonly kind: 'notice'; readonly key: string; readonly event: NoticeEvent }
  | {
      readonly kind: 'message'
      readonly key: string
      readonly event: MessageEvent
      readonly startsGroup: boolean
      readonly endsGroup: boolean
    }

/** Events in their order → rows: a separator where a day begins, messages of one person close together as a group. */
export function timelineItems(events: readonly TimelineEvent[], dayOf: (atMs: number) => string = localDay): TimelineItem[] {
  const items: TimelineItem[] = []
  let day: string | undefined
  events.forEach((event, index) => {
    const eventDay = dayOf(event.atMs)
    const newDay = eventDay !== day
    // The key names the event below, so that two runs of one day (clocks may go backwards) differ.
    if (newDay) items.push({ kind: 'day', key: `day:${event.key}`, atMs: event.atMs })
    day = eventDay
    switch (event.kind) {
      case 'notice':
        items.push({ kind: 'notice', key: event.key, event })
        break
      case 'message': {
        const next = events[index + 1]
        const startsGroup = newDay || !sameGroup(events[index - 1], event)
        const endsGroup = next === undefined || dayOf(next.atMs) !== eventDay || !sameGroup(event, next)
        items.push({ kind: 'message', key: event.key, event, startsGroup, endsGroup })
        break
      }
      default:
        unreachable(event)
    }
  })
  return items
}

function sameGroup(before: TimelineEvent | undefined, after: TimelineEvent): boolean {
  if (before?.kind !== 'message' || after.kind !== 'message') return false
  return before.senderId === after.senderId && Math.abs(after.atMs - before.atMs) <= chatLimits.groupGapMs
}

function localDay(atMs: number): string {
  const date = new Date(atMs)
  return `${date.getFullYear()}-${date.getMonth()}-${date.getDate()}`
}
