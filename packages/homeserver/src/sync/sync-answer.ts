import type { JsonObject, UserId } from '@kith/matrix-protocol'

/** The body of an answer to /sync. */
export interface SyncAnswer {
  next_batch: string
  rooms: {
    join: Record<string, JsonObject>
    invite: Record<string, JsonObject>
    leave: Record<string, JsonObject>
    knock: Record<string, JsonObject>
  }
  account_data: { events: readonly JsonObject[] }
  presence: { events: readonly JsonObject[] }
  to_device: { events: readonly JsonObject[] }
  device_lists: { changed: readonly string[]; left: readonly string[] }
  device_one_time_keys_count: Record<string, number>
  device_unused_fallback_key_types: readonly string[]
  'org.matrix.msc2732.device_unused_fallback_key_types': readonly string[]
}

/** Whether it tells nothing that the client waits for; that its own user is there is no such thing. */
export function isEmptyAnswer(answer: SyncAnswer, userId: UserId): boolean {
  const { rooms } = answer
  const sections = [rooms.join, rooms.invite, rooms.leave, rooms.knock]
  return (
    sections.every((section) => Object.keys(section).length === 0) &&
    answer.account_data.events.length === 0 &&
    answer.presence.events.every((event) => event['sender'] === userId) &&
    answer.to_device.events.length === 0 &&
    answer.device_lists.changed.length === 0 &&
    answer.device_lists.left.length === 0
  )
}
