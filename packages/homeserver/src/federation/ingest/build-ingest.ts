import type { ServerName } from '@kith/matrix-protocol'
import type { Ports } from '../../ports/index.ts'
import type { RelayLists } from '../../relay/relay-lists.ts'
import type { Rooms } from '../../rooms/index.ts'
import type { Deliver } from '../deliver/deliver.ts'
import type { FetchEvents } from '../fetch/fetch-events.ts'
import type { LocalUsers } from '../local-users.ts'
import type { InviteReceiver } from '../membership/receive-invite.ts'
import { Edus } from './edus.ts'
import { Healing } from './healing.ts'
import { Ingest } from './ingest.ts'
import type { JoinsUnderWay } from './joins-under-way.ts'
import { RememberedTransactions } from './remembered-transactions.ts'
import { RoomIntake } from './room-intake.ts'
import { StagedEvents } from './staged-events.ts'

export interface BuildIngestInput {
  readonly ports: Ports
  readonly rooms: Rooms
  readonly users: LocalUsers
  readonly serverName: ServerName
  readonly fetch: FetchEvents
  readonly joins: JoinsUnderWay
  readonly relayLists: RelayLists
  readonly deliver: Deliver
  readonly inviteReceiver: InviteReceiver
  readonly signal: AbortSignal
}

export async function buildIngest(input: BuildIngestInput): Promise<{ readonly ingest: Ingest; readonly healing: Healing }> {
  const { ports, rooms, users, serverName, fetch, joins, relayLists, deliver, inviteReceiver: invites } = input
  const staged = await StagedEvents.open({ storage: ports.storage, crypto: ports.crypto, clock: ports.clock, rooms, log: ports.log })
  const intake = new RoomIntake({ rooms, fetch, staged, clock: ports.clock })
  const healing = new Healing({ ports, rooms, intake, staged, fetch, serverName }, input.signal)
  const acknowledge = (server: ServerName, ids: ReadonlySet<string>): Promise<void> => deliver.acknowledge(server, ids)
  const edus = new Edus({ users, invites, relayLists, log: ports.log, acknowledge })
  const remembered = new RememberedTransactions(ports.storage)
  return { ingest: new Ingest({ rooms, intake, edus, invites, healing, joins, relayLists, remembered }), healing }
}
