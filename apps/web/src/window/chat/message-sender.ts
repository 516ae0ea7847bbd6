import { EventStatus, EventType, MsgType } from 'matrix-js-sdk'
import type { MatrixClient, Room } from 'matrix-js-sdk'
import type { OutboxEntry } from './chat-database.ts'
import { describeFailure, isNetworkFailure, refusalOf } from './failure-text.ts'
import type { SendAttempt } from './outbox.ts'
import { transactionIdOf } from './room-events.ts'

/** Failures that are none of the network's, such as of the crypto store, are worth only so many tries. */
const brokenAttemptsMax = 5
const storageFullStatus = 507

/** Encrypts messages and hands them to the node, each attempt under the message's own transaction id. */
export function messageSender(client: MatrixClient): (entry: OutboxEntry) => Promise<SendAttempt> {
  const brokenAttempts = new Map<string, number>()
  return async (entry) => {
    const room = client.getRoom(entry.roomId)
    if (room?.getMyMembership() !== 'join') return { kind: 'refused', reason: 'You are no longer in this chat.' }
    const stored = storedEventId(room, entry.transactionId)
    if (stored !== undefined) return { kind: 'sent', eventId: stored }
    try {
      const { event_id: eventId } = await sendOnce(client, room, entry)
      brokenAttempts.delete(entry.transactionId)
      return { kind: 'sent', eventId }
    } catch (error) {
      const attempt = attemptFrom(error, entry, brokenAttempts)
      if (attempt.kind === 'refused') cancel(client, room, entry.transactionId)
      return attempt
    }
  }
}

/** The SDK keeps a failed message and would take a second one of the same transaction id for a mistake. */
function sendOnce(client: MatrixClient, room: Room, entry: OutboxEntry) {
  const failed = localEcho(room, entry.transactionId)
  if (failed?.status === EventStatus.NOT_SENT) return client.resendEvent(failed, room)
  return client.sendEvent(entry.roomId, EventType.RoomMessage, { msgtype: MsgType.Text, body: entry.text }, entry.transactionId)
}

function attemptFrom(error: unknown, entry: OutboxEntry, brokenAttempts: Map<string, number>): SendAttempt {
  const refusal = refusalOf(error)
  if (refusal !== undefined) {
    if (refusal.status === 429 || (refusal.status >= 500 && refusal.status !== storageFullStatus)) return { kind: 'unreachable' }
    return { kind: 'refused', reason: describeFailure(error) }
  }
  if (isNetworkFailure(error)) return { kind: 'unreachable' }
  const attempts = (brokenAttempts.get(entry.transactionId) ?? 0) + 1
  brokenAttempts.set(entry.transactionId, attempts)
  if (attempts < brokenAttemptsMax) return { kind: 'unreachable' }
  brokenAttempts.delete(entry.transactionId)
  return { kind: 'refused', reason: 'The message could not be encrypted.' }
}

function cancel(client: MatrixClient, room: Room, transactionId: string): void {
  const event = localEcho(room, transactionId)
  if (event?.status === EventStatus.NOT_SENT) client.cancelPendingEvent(event)
}

function localEcho(room: Room, transactionId: string) {
  return room.getPendingEvents().find((event) => event.getTxnId() === transactionId)
}

/** An earlier run may have sent the message without hearing the answer. */
function storedEventId(room: Room, transactionId: string): string | undefined {
  const event = room
    .getLiveTimeline()
    .getEvents()
    .findLast((event) => event.status === null && transactionIdOf(event) === transactionId)
  return event?.getId()
}
