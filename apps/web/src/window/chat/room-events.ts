import type { MatrixEvent, Room } from 'matrix-js-sdk'
import { describeMembership } from './membership-notice.ts'
import { nameOfUserId } from './contact-link.ts'
import type { MessageBody, TimelineEvent } from './timeline-items.ts'

/** What a row of the timeline says about an event, or undefined for events that are not shown. Without progress. */
export function timelineEventOf(event: MatrixEvent, room: Room, ownUserId: string): TimelineEvent | undefined {
  const notice = noticeText(event, room)
  if (notice !== undefined) return { kind: 'notice', key: keyOf(event), atMs: event.getTs(), text: notice }
  const body = messageBody(event)
  const senderId = event.getSender()
  if (body === undefined || senderId === undefined) return undefined
  return {
    kind: 'message',
    key: keyOf(event),
    senderId,
    senderName: nameIn(room, senderId),
    own: senderId === ownUserId,
    atMs: event.getTs(),
    body,
  }
}

/** The transaction id of an own message, when the server told it to this device. */
export function transactionIdOf(event: MatrixEvent): string | undefined {
  return event.getUnsigned().transaction_id ?? event.getTxnId()
}

/** An invite by another server may leave out the name of the invited: then the one in their link stands in. */
export function nameIn(room: Room, userId: string): string {
  const name = room.getMember(userId)?.name
  if (name !== undefined && name !== userId) return name
  const known = room.client.getUser(userId)?.displayName
  return known === undefined || known === userId ? nameOfUserId(userId) : known
}

/** One line for the room list. */
export function previewOf(event: TimelineEvent): string {
  if (event.kind === 'notice') return event.text
  const { body } = event
  const prefix = event.own ? 'You: ' : ''
  switch (body.kind) {
    case 'text':
      return `${prefix}${body.text.slice(0, 200)}`
    case 'unsupported':
      return `${prefix}${body.what}`
    case 'decrypting':
      return 'Decrypting…'
    case 'undecryptable':
      return 'Message cannot be decrypted yet'
    case 'deleted':
      return 'Message deleted'
  }
}

function keyOf(event: MatrixEvent): string {
  return transactionIdOf(event) ?? event.getId() ?? ''
}

function messageBody(event: MatrixEvent): MessageBody | undefined {
  if (event.isState() || event.isRelation('m.replace')) return undefined
  if (event.isRedacted()) return isMessageType(event.getWireType()) ? { kind: 'deleted' } : undefined
  switch (event.getType()) {
    case 'm.room.message':
      return textBody(event.getContent())
    case 'm.sticker':
      return { kind: 'unsupported', what: 'a sticker' }
    case 'm.room.encrypted':
      return { kind: event.isDecryptionFailure() ? 'undecryptable' : 'decrypting' }
    default:
      return undefined
  }
}

function textBody(content: Readonly<Record<string, unknown>>): MessageBody {
  const { msgtype, body } = content
  if (msgtype === 'm.bad.encrypted') return { kind: 'undecryptable' }
  if (typeof body !== 'string') return { kind: 'unsupported', what: 'an unreadable message' }
  switch (msgtype) {
    case 'm.text':
      return { kind: 'text', text: body, style: 'normal' }
    case 'm.notice':
      return { kind: 'text', text: body, style: 'notice' }
    case 'm.emote':
      return { kind: 'text', text: body, style: 'emote' }
    case 'm.image':
      return { kind: 'unsupported', what: 'a picture' }
    case 'm.audio':
      return { kind: 'unsupported', what: 'a sound' }
    case 'm.video':
      return { kind: 'unsupported', what: 'a video' }
    case 'm.file':
      return { kind: 'unsupported', what: 'a file' }
    default:
      return { kind: 'unsupported', what: 'a message of an unknown kind' }
  }
}

function isMessageType(type: string): boolean {
  return type === 'm.room.message' || type === 'm.room.encrypted' || type === 'm.sticker'
}

function noticeText(event: MatrixEvent, room: Room): string | undefined {
  if (!event.isState()) return undefined
  const senderId = event.getSender() ?? ''
  const sender = nameIn(room, senderId)
  switch (event.getType()) {
    case 'm.room.create':
      return `${sender} began this chat`
    case 'm.room.encryption':
      return 'Messages in this chat are end-to-end encrypted'
    case 'm.room.name':
      return `${sender} named the chat “${text(event.getContent()['name'])}”`
    case 'm.room.topic':
      return `${sender} changed the topic`
    case 'm.room.member':
      return membershipText(event, room, senderId, sender)
    default:
      return undefined
  }
}

function membershipText(event: MatrixEvent, room: Room, senderId: string, senderName: string): string | undefined {
  const targetId = event.getStateKey() ?? ''
  const content: Readonly<Record<string, unknown>> = event.getContent()
  const previous: Readonly<Record<string, unknown>> = event.getPrevContent()
  // Beginning a chat includes joining it.
  if (targetId === room.getCreator() && content['membership'] === 'join' && previous['membership'] === undefined) return undefined
  // Somebody who left may be known by no current name: the event itself still has it.
  const known = content['displayname'] ?? previous['displayname']
  const targetName = typeof known === 'string' && known !== '' ? known : nameIn(room, targetId)
  return describeMembership({
    previous: optionalText(previous['membership']),
    next: text(content['membership']),
    senderName,
    targetName,
    self: senderId === targetId,
    previousDisplayName: optionalText(previous['displayname']),
    nextDisplayName: optionalText(content['displayname']),
  })
}

function text(value: unknown): string {
  return typeof value === 'string' ? value : ''
}

function optionalText(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined
}
