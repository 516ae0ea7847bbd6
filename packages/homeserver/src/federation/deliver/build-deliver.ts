import type { ServerName } from '@kith/matrix-protocol'
import { limits } from '../../limits.ts'
import type { Ports } from '../../ports/index.ts'
import { Handoff } from '../../relay/handoff.ts'
import type { RelayLists } from '../../relay/relay-lists.ts'
import type { Rooms } from '../../rooms/index.ts'
import type { Timeline } from '../../timeline/index.ts'
import { KeyedQueue } from '../../keyed-queue.ts'
import type { PeerClient } from '../peer-client.ts'
import { Semaphore } from '../semaphore.ts'
import { Deliver } from './deliver.ts'
import type { DestinationParts } from './destination.ts'
import { Outbox } from './outbox.ts'
import { SentRelayLists } from './sent-relay-lists.ts'

export interface BuildDeliverInput {
  readonly ports: Ports
  readonly rooms: Rooms
  readonly timeline: Timeline
  readonly serverName: ServerName
  readonly client: PeerClient
  readonly relayLists: RelayLists
  readonly ownRelays: () => readonly ServerName[]
  readonly heardExtremities: DestinationParts['heardExtremities']
  readonly signal: AbortSignal
}

export function buildDeliver(input: BuildDeliverInput): Deliver {
  const { ports, rooms, timeline, serverName, client, relayLists, ownRelays, heardExtremities, signal } = input
  const parts = {
    ports,
    serverName,
    outbox: new Outbox({ storage: ports.storage, timeline, rooms }),
    client,
    handoff: new Handoff({ client, clock: ports.clock, lists: relayLists, ownRelays }),
    relayLists,
    sentRelayLists: new SentRelayLists(ports.storage, relayLists),
    settling: new KeyedQueue<ServerName>(),
    places: {
      connected: new Semaphore(limits.implementation.deliveriesAtOnceMax),
      others: new Semaphore(limits.implementation.deliveriesAtOnceMax),
    },
    roomsSharedWith: (server: ServerName) => rooms.roomsWithServer(server),
    extremitiesOf: (roomId: Parameters<Rooms['extremities']>[0]) => rooms.extremities(roomId),
    heardExtremities,
  }
  return new Deliver(parts, timeline, signal)
}
