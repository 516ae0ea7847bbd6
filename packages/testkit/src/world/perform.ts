import { unreachable } from '@kith/matrix-protocol'
import type { Json } from './json.ts'
import type { UserAction } from './scenario.ts'
import type { AcknowledgedEvent, World } from './world.ts'
import type { Reply, WorldUser } from './world-user.ts'

/** A user does something by their client. Answers what the client was told; a refusal is as good an answer as any. */
export async function perform(world: World, action: UserAction, number: number): Promise<Reply> {
  const user = world.user(action.user)
  const roomId = world.room(action.room)
  const path = `/rooms/${encodeURIComponent(roomId)}`
  const context = { world, user, path, room: action.room, number }
  switch (action.kind) {
    case 'send': {
      const text = `${user.name} says ${number}.`
      return put(context, `/send/m.room.message/t${number}`, { msgtype: 'm.text', body: text }, { kind: 'message', text })
    }
    case 'react': {
      const target = world.clients.get(user.name)?.timelines.get(roomId)?.at(-1)
      if (target === undefined) return { kind: 'lost' }
      const relation = { rel_type: 'm.annotation', event_id: target, key: String(number) }
      return put(context, `/send/m.reaction/t${number}`, { 'm.relates_to': relation }, { kind: 'reaction' })
    }
    case 'redact': {
      const messages = world.acknowledged.filter(({ room, kind }) => room === action.room && kind === 'message')
      const target = messages[action.pick % Math.max(1, messages.length)]
      if (target === undefined) return { kind: 'lost' }
      return put(context, `/redact/${encodeURIComponent(target.eventId)}/t${number}`, {}, { kind: 'redaction', target: target.eventId })
    }
    case 'name':
    case 'topic':
      return put(context, `/state/m.room.${action.kind}`, { [action.kind]: `${action.value} ${number}` }, { kind: 'state' })
    case 'join-rule':
      return put(context, '/state/m.room.join_rules', { join_rule: action.value }, { kind: 'state' })
    case 'power':
      return setPower(context, world.user(action.target).userId, action.level)
    case 'join':
    case 'knock': {
      const via = [...world.servers.values()]
        .filter(({ server }) => server !== user.server.server)
        .map(({ server }) => `server_name=${server}`)
      return user.call('POST', `/${action.kind}/${encodeURIComponent(roomId)}?${via.join('&')}`, {})
    }
    case 'leave':
      return user.call('POST', `${path}/leave`, {})
    case 'invite':
    case 'kick':
    case 'ban':
    case 'unban':
      return user.call('POST', `${path}/${action.kind}`, { user_id: world.user(action.target).userId })
    default:
      return unreachable(action)
  }
}

interface Context {
  readonly world: World
  readonly user: WorldUser
  readonly path: string
  readonly room: string
  readonly number: number
}

async function put(
  { world, user, path, room }: Context,
  rest: string,
  body: object,
  event: Pick<AcknowledgedEvent, 'kind' | 'text' | 'target'>,
): Promise<Reply> {
  const reply = await user.insist('PUT', `${path}${rest}`, body)
  if (reply.kind === 'answered' && reply.status === 200) {
    world.acknowledged.push({ ...event, eventId: reply.body.event_id, room, user: user.name })
  }
  return reply
}

async function setPower(context: Context, target: string, level: number): Promise<Reply> {
  const { user, path } = context
  const current = await user.call('GET', `${path}/state/m.room.power_levels`)
  if (current.kind === 'lost' || current.status !== 200) return current
  const levels: Json = current.body
  return put(context, '/state/m.room.power_levels', { ...levels, users: { ...levels.users, [target]: level } }, { kind: 'state' })
}
