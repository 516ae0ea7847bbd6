import { isJsonObject, type JsonObject, type JsonValue, ownMember, ownString } from '@kith/matrix-protocol'
import type { RoomState, StoredEvent } from '../rooms/index.ts'
import type { PushAction } from './push-rule.ts'
import type { Pusher } from './pusher-tables.ts'

const MS_PER_SECOND = 1000

/** What the state of a room says under that name, if it is a text. */
export type TextOf = (type: string, name: string, stateKey: string) => string | undefined

/** What a gateway is told of an event. @see https://spec.matrix.org/latest/push-gateway-api/#post_matrixpushv1notify */
export function eventNotification(
  pusher: Pusher,
  event: Pick<StoredEvent, 'roomId' | 'eventId' | 'pdu'>,
  around: { readonly textOf: TextOf; readonly actions: readonly PushAction[]; readonly unread: number },
): JsonObject {
  const { textOf, actions, unread } = around
  const { roomId, eventId, pdu } = event
  const tweaks = tweaksOf(actions)
  const least = { event_id: eventId, room_id: roomId, prio: priorityOf(pdu.type, tweaks), counts: countsOf(unread) }
  // Whoever asks for ids only wants the gateway to know no more.
  if (pusher.data['format'] === 'event_id_only') return { notification: { ...least, devices: [deviceOf(pusher)] } }
  const senderName = textOf('m.room.member', 'displayname', pdu.sender)
  const roomName = textOf('m.room.name', 'name', '')
  const roomAlias = textOf('m.room.canonical_alias', 'alias', '')
  return {
    notification: {
      ...least,
      type: pdu.type,
      sender: pdu.sender,
      content: pdu.content,
      ...(senderName === undefined ? {} : { sender_display_name: senderName }),
      ...(roomName === undefined ? {} : { room_name: roomName }),
      ...(roomAlias === undefined ? {} : { room_alias: roomAlias }),
      ...(pdu.type === 'm.room.member' ? { user_is_target: pdu.state_key === pusher.userId } : {}),
      devices: [{ ...deviceOf(pusher), tweaks }],
    },
  }
}

/** What a gateway is told when something was read. */
export function countsNotification(pusher: Pusher, unread: number): JsonObject {
  return { notification: { prio: 'low', counts: countsOf(unread), devices: [deviceOf(pusher)] } }
}

/** A count of zero is left out. */
function countsOf(unread: number): JsonObject {
  return unread === 0 ? {} : { unread }
}

function deviceOf({ appId, pushkey, setAt, data }: Pusher): JsonObject {
  const { url: _url, ...rest } = data
  return { app_id: appId, pushkey, pushkey_ts: Math.floor(setAt / MS_PER_SECOND), data: rest }
}

function tweaksOf(actions: readonly PushAction[]): JsonObject {
  const tweaks: Record<string, JsonValue> = {}
  for (const action of actions) {
    const name = isJsonObject(action) ? ownString(action, 'set_tweak') : undefined
    if (name === undefined || !isJsonObject(action)) continue
    const value = action['value']
    // A highlight without a value is one.
    if (value !== undefined || name === 'highlight') tweaks[name] = value ?? true
  }
  return tweaks
}

/** What makes no sound may wait; what an encrypted message makes, only its recipient's device can tell. */
function priorityOf(type: string, tweaks: JsonObject): 'high' | 'low' {
  const isLoud = ownMember(tweaks, 'sound') !== undefined || ownMember(tweaks, 'highlight') === true
  return isLoud || type === 'm.room.encrypted' ? 'high' : 'low'
}

export function textsOf(state: RoomState | undefined): TextOf {
  return (type, name, stateKey) => {
    const content = state?.get(type, stateKey)?.pdu.content
    return content === undefined ? undefined : ownString(content, name)
  }
}
