import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { chatLimits } from './limits.ts'
import { timelineItems } from './timeline-items.ts'
import type { TimelineEvent } from './timeline-items.ts'

const dayMs = 86_400_000
const dayOf = (atMs: number) => String(Math.floor(atMs / dayMs))

function message(key: string, senderId: string, atMs: number): TimelineEvent {
  return { kind: 'message', key, senderId, senderName: senderId, own: false, atMs, body: { kind: 'text', text: key, style: 'normal' } }
}

function notice(key: string, atMs: number): TimelineEvent {
  return { kind: 'notice', key, atMs, text: key }
}

function shapeOf(events: readonly TimelineEvent[]): string[] {
  return timelineItems(events, dayOf).map((item) =>
    item.kind === 'message' ? `${item.startsGroup ? '[' : ''}${item.key}${item.endsGroup ? ']' : ''}` : item.key,
  )
}

describe('rows of a timeline', () => {
  test('group the messages of one person', () => {
    const events = [message('a', 'ada', 0), message('b', 'ada', 1), message('c', 'bob', 2), message('d', 'ada', 3)]
    expect(shapeOf(events)).toEqual(['day:a', '[a', 'b]', '[c]', '[d]'])
  })

  test('a long pause and a notice end a group', () => {
    const later = chatLimits.groupGapMs + 1
    expect(shapeOf([message('a', 'ada', 0), message('b', 'ada', later)])).toEqual(['day:a', '[a]', '[b]'])
    expect(shapeOf([message('a', 'ada', 0), notice('n', 1), message('b', 'ada', 2)])).toEqual(['day:a', '[a]', 'n', '[b]'])
  })

  test('each day begins with a separator and new groups', () => {
    expect(shapeOf([message('a', 'ada', dayMs - 1), message('b', 'ada', dayMs)])).toEqual(['day:a', '[a]', 'day:b', '[b]'])
  })

  test('have keys of their own even when clocks go backwards, and keep all events in order', () => {
    const event = fc.record({ sender: fc.constantFrom('ada', 'bob'), day: fc.integer({ min: 0, max: 3 }), isNotice: fc.boolean() })
    fc.assert(
      fc.property(fc.array(event), (drawn) => {
        const events = drawn.map(({ sender, day, isNotice }, index) =>
          isNotice ? notice(`k${index}`, day * dayMs) : message(`k${index}`, sender, day * dayMs),
        )
        const items = timelineItems(events, dayOf)
        expect(new Set(items.map((item) => item.key)).size).toBe(items.length)
        expect(items.filter((item) => item.kind !== 'day').map((item) => item.key)).toEqual(events.map(({ key }) => key))
      }),
    )
  })
})
