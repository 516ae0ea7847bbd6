import { ActionIcon, Button, Group, Loader, Text } from '@mantine/core'
import { IconArrowDown } from '@tabler/icons-react'
import { useEffect, useRef, useState } from 'react'
import { Virtuoso } from 'react-virtuoso'
import type { VirtuosoHandle } from 'react-virtuoso'
import type { RoomTimeline, RoomView } from '../chat/chat-model.ts'
import type { TimelineItem } from '../chat/timeline-items.ts'
import { useObservable } from './observe.ts'
import { TimelineRow } from './timeline-row.tsx'
import classes from './timeline-list.module.css'

export interface TimelineListProps {
  readonly view: RoomView
  readonly showNames: boolean
}

/** Rows get indices around this one, so that older ones can be put before without moving what is in view. */
const firstIndexAtOpening = 1_000_000

/** The messages of a room. */
export function TimelineList({ view, showNames }: TimelineListProps) {
  const timeline = useObservable(view.timeline)
  return (
    <div className={classes['frame']} role="log" aria-live="polite" aria-label="Messages">
      {timeline.items.length === 0 ? (
        <Loader m="auto" aria-label="Loading messages" />
      ) : (
        <Rows key={timeline.generation} view={view} timeline={timeline} showNames={showNames} />
      )}
    </div>
  )
}

function Rows({ view, timeline, showNames }: TimelineListProps & { readonly timeline: RoomTimeline }) {
  const handle = useRef<VirtuosoHandle>(null)
  const [atBottom, setAtBottom] = useState(true)
  const [atTop, setAtTop] = useState(false)
  const firstItemIndex = useFirstItemIndex(timeline.items)
  const lastOwnKey = timeline.items.findLast((item) => item.kind === 'message' && item.event.own)?.key
  useOlderAtTop(view, timeline, atTop)
  useMarkRead(view, atBottom)
  useShowOwnNewest(timeline.items, handle)
  const watched = useStayAtBottom(handle, atBottom)
  return (
    <>
      <Virtuoso
        ref={handle}
        className={classes['list'] ?? ''}
        scrollerRef={watched}
        data={timeline.items}
        context={{ timeline, view, showNames, lastOwnKey }}
        firstItemIndex={firstItemIndex}
        initialTopMostItemIndex={{ index: 'LAST', align: 'end' }}
        alignToBottom
        followOutput={(isAtBottom) => (isAtBottom ? 'auto' : false)}
        atBottomThreshold={80}
        atBottomStateChange={setAtBottom}
        atTopThreshold={400}
        atTopStateChange={setAtTop}
        increaseViewportBy={{ top: 600, bottom: 300 }}
        computeItemKey={(_index, item) => item.key}
        components={listParts}
        itemContent={renderRow}
      />
      {atBottom ? null : (
        <ActionIcon
          className={classes['jump'] ?? ''}
          variant="default"
          radius="xl"
          size="xl"
          aria-label="Jump to the newest message"
          onClick={() => handle.current?.scrollToIndex({ index: 'LAST', align: 'end' })}
        >
          <IconArrowDown size={20} />
        </ActionIcon>
      )}
    </>
  )
}

interface PartContext {
  readonly timeline: RoomTimeline
  readonly view: RoomView
  readonly showNames: boolean
  /** Only the newest own message says in words how far it has come. */
  readonly lastOwnKey: string | undefined
}

function renderRow(_index: number, item: TimelineItem, { view, showNames, lastOwnKey }: PartContext) {
  return <TimelineRow item={item} view={view} showName={showNames} captioned={item.key === lastOwnKey} />
}

const listParts = {
  Header: ({ context }: { readonly context?: PartContext }) => (context === undefined ? null : <OlderNote {...context} />),
  Footer: () => <div className={classes['end']} />,
}

function OlderNote({ timeline, view }: PartContext) {
  if (timeline.olderFailed !== undefined) {
    return (
      <Group justify="center" p="sm">
        <Text size="sm" c="var(--kith-quiet)">
          {timeline.olderFailed}
        </Text>
        <Button size="compact-sm" variant="default" onClick={() => void view.loadOlder()}>
          Try again
        </Button>
      </Group>
    )
  }
  return (
    <Group justify="center" h={44} role="status">
      {timeline.hasOlder ? <Loader size="sm" aria-label="Loading older messages" /> : null}
    </Group>
  )
}

/** The index of the first row, counted from a row that was there at the opening. */
function useFirstItemIndex(items: readonly TimelineItem[]): number {
  // Day separators come and go with their neighbours: only events make a lasting anchor.
  const [anchorKey] = useState(() => items.find((item) => item.kind !== 'day')?.key)
  const offset = items.findIndex((item) => item.key === anchorKey)
  return firstIndexAtOpening - Math.max(offset, 0)
}

/** A page of history may hold nothing to show, so it goes on while the top is in view. */
function useOlderAtTop(view: RoomView, timeline: RoomTimeline, atTop: boolean): void {
  const { loadingOlder, hasOlder, olderFailed } = timeline
  useEffect(() => {
    if (atTop && hasOlder && !loadingOlder && olderFailed === undefined) void view.loadOlder()
  }, [view, atTop, hasOlder, loadingOlder, olderFailed])
}

function useMarkRead(view: RoomView, atBottom: boolean): void {
  useEffect(() => {
    const mark = () => {
      if (atBottom && document.visibilityState === 'visible') view.markRead()
    }
    mark()
    document.addEventListener('visibilitychange', mark)
    const unsubscribe = view.timeline.subscribe(mark)
    return () => {
      unsubscribe()
      document.removeEventListener('visibilitychange', mark)
    }
  }, [view, atBottom])
}

/** What was written here comes into view, wherever the reader was. */
function useShowOwnNewest(items: readonly TimelineItem[], handle: React.RefObject<VirtuosoHandle | null>): void {
  const last = items.at(-1)
  const shown = useRef(last?.key)
  useEffect(() => {
    if (last === undefined || last.key === shown.current) return
    shown.current = last.key
    if (last.kind === 'message' && last.event.own) handle.current?.scrollToIndex({ index: 'LAST', align: 'end' })
  }, [last, handle])
}

/** Whoever reads the newest message goes on doing so when the window, or a keyboard on the screen, changes the room for it. */
function useStayAtBottom(handle: React.RefObject<VirtuosoHandle | null>, atBottom: boolean) {
  const [scroller, setScroller] = useState<HTMLElement | Window | null>(null)
  const wasAtBottom = useRef(atBottom)
  useEffect(() => {
    // Late, so that the resizing itself, which moves the end out of view, does not count.
    const timer = setTimeout(() => {
      wasAtBottom.current = atBottom
    }, 250)
    return () => clearTimeout(timer)
  }, [atBottom])
  useEffect(() => {
    if (!(scroller instanceof HTMLElement)) return undefined
    const observer = new ResizeObserver(() => {
      if (wasAtBottom.current) handle.current?.scrollToIndex({ index: 'LAST', align: 'end' })
    })
    observer.observe(scroller)
    return () => observer.disconnect()
  }, [scroller, handle])
  return setScroller
}
