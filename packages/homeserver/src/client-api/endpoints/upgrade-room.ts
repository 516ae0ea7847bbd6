import {
  creatorsOf,
  type JsonObject,
  ownObject,
  ownString,
  parseRoomAlias,
  type RoomId,
  roomVersion,
  type UserId,
} from '@kith/matrix-protocol'
import * as v from 'valibot'
import type { Session } from '../../accounts/accounts.ts'
import { limits } from '../../limits.ts'
import { MatrixError } from '../../matrix-error.ts'
import type { RoomState } from '../../rooms/index.ts'
import { type Api, endpoint } from '../endpoint.ts'
import { memberContent } from '../memberships.ts'
import { sentEventId } from '../outcomes.ts'
import { roomIdFrom } from '../parameters.ts'
import { joinedState } from '../room-access.ts'
import { lockedPowerLevels, type Succession, successorCreateContent, successorEvents } from '../room-succession.ts'
import { userIdSchema } from '../schemas.ts'
import { inheritFromPredecessor } from '../successor-settings.ts'
import { createdRoomId } from './create-room.ts'

const upgradeSchema = v.looseObject({
  new_version: v.string(),
  additional_creators: v.optional(v.pipe(v.array(userIdSchema), v.maxLength(limits.implementation.additionalCreatorsMax)), []),
})

export const upgradeRoomEndpoints = [
  endpoint({
    method: 'POST',
    path: '/rooms/:roomId/upgrade',
    body: upgradeSchema,
    async handle(api, { params, session, body, signal }) {
      const roomId = roomIdFrom(params.roomId)
      const version = roomVersion(body.new_version)
      if (version === undefined) throw new MatrixError(400, 'M_UNSUPPORTED_ROOM_VERSION', 'This room version is not known here')
      const state = joinedState(api, session, roomId)
      const oldVersion = api.rooms.version(roomId)
      if (oldVersion === undefined) throw new MatrixError(404, 'M_NOT_FOUND', 'No such room')
      const succession: Succession = {
        old: { roomId, version: oldVersion, state },
        version,
        creator: session.userId,
        additionalCreators: version.additionalCreators
          ? [...new Set(body.additional_creators)].filter((user) => user !== session.userId)
          : [],
      }
      return { replacement_room: await api.upgrades.run(roomId, async () => upgrade(api, session, succession, signal)) }
    },
  }),
]

/**
 * Each step is durable and does nothing when it was done: an upgrade that broke off, even between the new room and the tombstone, goes on
 * where it was when it is asked for again. Which room it made is told by the predecessor in that room's create event.
 */
async function upgrade(api: Api, session: Session, succession: Succession, signal: AbortSignal): Promise<RoomId> {
  const { roomId } = succession.old
  const begun = findSuccessor(api, succession)
  const isMoved = begun !== undefined && replacementOf(succession.old.state) === begun
  if (!isMoved) await checkMayUpgrade(api, session, roomId, signal)
  const successor = begun ?? (await createSuccessor(api, succession, signal))
  await moveDirectory(api, session, succession, successor, signal)
  if (!isMoved) {
    const content = { body: 'This room has been replaced', replacement_room: successor }
    sentEventId(await api.rooms.send({ roomId, sender: session.userId, type: 'm.room.tombstone', stateKey: '', content }, signal))
  }
  await lock(api, session, roomId, signal)
  await inheritFromPredecessor(api, session.userId, successor)
  return successor
}

async function checkMayUpgrade(api: Api, session: Session, roomId: RoomId, signal: AbortSignal): Promise<void> {
  const tombstone = {
    roomId,
    sender: session.userId,
    type: 'm.room.tombstone',
    stateKey: '',
    content: { body: '', replacement_room: roomId },
  }
  const outcome = await api.rooms.buildEvent(tombstone, signal)
  if (outcome.kind !== 'built') throw new MatrixError(403, 'M_FORBIDDEN', 'You may not upgrade this room')
}

/** A room that this user made for the same purpose. */
function findSuccessor(api: Api, succession: Succession): RoomId | undefined {
  const { creator, additionalCreators, version, old } = succession
  return api.rooms.joinedRooms(creator).find((roomId) => {
    const create = api.rooms.state(roomId)?.get('m.room.create', '')?.pdu
    if (create?.sender !== creator || api.rooms.version(roomId)?.id !== version.id) return false
    if (ownString(ownObject(create.content, 'predecessor'), 'room_id') !== old.roomId) return false
    return (
      !version.additionalCreators ||
      new Set(creatorsOf(create, version)).symmetricDifference(new Set<string>([creator, ...additionalCreators])).size === 0
    )
  })
}

function replacementOf(state: RoomState): string | undefined {
  return ownString(state.get('m.room.tombstone', '')?.pdu.content, 'replacement_room')
}

async function createSuccessor(api: Api, succession: Succession, signal: AbortSignal): Promise<RoomId> {
  const { creator, version } = succession
  const events = successorEvents(succession, await memberContent(api, creator, 'join', {}))
  const outcome = await api.rooms.create(
    { creator, version: version.id, createContent: successorCreateContent(succession), events },
    signal,
  )
  return createdRoomId(outcome)
}

/** Local aliases and the entry in the public list lead to the new room from now on, and each room names its aliases as far as it may. */
async function moveDirectory(api: Api, session: Session, { old }: Succession, successor: RoomId, signal: AbortSignal): Promise<void> {
  const { aliases, published } = api.directory
  await aliases.moveAll(old.roomId, successor)
  if (published.has(old.roomId)) {
    await published.publish(successor, session.userId)
    await published.unpublish(old.roomId)
  }
  const named = api.rooms.state(old.roomId)?.get('m.room.canonical_alias', '')?.pdu.content
  if (named === undefined) return
  const moved = new Set<unknown>(await aliases.ofRoom(successor))
  const both = divideAliases(named, (alias) => moved.has(alias))
  if (Object.keys(both.chosen).length === 0) return
  if (api.rooms.state(successor)?.get('m.room.canonical_alias', '') === undefined)
    await sendIfAllowed(api, session.userId, { roomId: successor, type: 'm.room.canonical_alias', content: both.chosen }, signal)
  await sendIfAllowed(api, session.userId, { roomId: old.roomId, type: 'm.room.canonical_alias', content: both.left }, signal)
}

/** Of what an `m.room.canonical_alias` names: what is chosen, and what is left. */
function divideAliases(
  content: JsonObject,
  isChosen: (alias: unknown) => boolean,
): { readonly chosen: JsonObject; readonly left: JsonObject } {
  const alias = ownString(content, 'alias')
  const others = content['alt_aliases']
  const alternatives = Array.isArray(others) ? others.filter((other) => parseRoomAlias(other) !== undefined) : []
  const part = (wanted: boolean): JsonObject => {
    const chosen = alternatives.filter((other) => isChosen(other) === wanted)
    return {
      ...(alias !== undefined && isChosen(alias) === wanted ? { alias } : {}),
      ...(chosen.length > 0 ? { alt_aliases: chosen } : {}),
    }
  }
  return { chosen: part(true), left: part(false) }
}

async function lock(api: Api, session: Session, roomId: RoomId, signal: AbortSignal): Promise<void> {
  const version = api.rooms.version(roomId)
  const levels = api.rooms.state(roomId)?.get('m.room.power_levels', '')?.pdu.content
  const content = version === undefined ? undefined : lockedPowerLevels(levels, version)
  if (content !== undefined) await sendIfAllowed(api, session.userId, { roomId, type: 'm.room.power_levels', content }, signal)
}

/** What an upgrade does as far as the user may: the tombstone has been decided already. */
async function sendIfAllowed(
  api: Api,
  sender: UserId,
  event: { readonly roomId: RoomId; readonly type: string; readonly content: JsonObject },
  signal: AbortSignal,
): Promise<void> {
  const outcome = await api.rooms.send({ ...event, sender, stateKey: '' }, signal)
  if (outcome.kind === 'sent') return
  api.ports.log.info('a step of a room upgrade was not allowed', { roomId: event.roomId, type: event.type, outcome: outcome.kind })
}
