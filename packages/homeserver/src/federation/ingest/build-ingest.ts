import type { ServerName } from '@kith/matrix-protocol'
import type { Ports } from '../../ports/index.ts'
import type { RelayLists } from '../../relay/relay-lists.ts'
import type { Rooms } from '../../rooms/index.ts'
import type { Timeline } from '../../timeline/index.ts'
import type { Deliver } from '../deliver/deliver.ts'
import { FetchBudgets } from '../fetch/fetch-budgets.ts'
import type { FetchEvents } from '../fetch/fetch-events.ts'
import { FetchState } from '../fetch/fetch-state.ts'
import type { PeerClient } from '../peer-client.ts'
import type { LocalUsers } from '../local-users.ts'
import type { InviteReceiver } from '../membership/receive-invite.ts'
import { Edus } from './edus.ts'
import { Healing } from './healing.ts'
import { Ingest } from './ingest.ts'
import type { JoinsUnderWay } from './joins-under-way.ts'
import { MissingByMail } from './missing-by-mail.ts'
import { RememberedTransactions } from './remembered-transactions.ts'
import { RoomIntake } from './room-intake.ts'
import { StagedEvents } from './staged-events.ts'
import { TakenInvites } from './taken-invites.ts'

export interface BuildIngestInput {
  readonly ports: Ports
  readonly rooms: Rooms
  readonly timeline: Timeline
  readonly users: LocalUsers
  readonly serverName: ServerName
  readonly client: PeerClient
  readonly fetch: FetchEvents
  readonly joins: JoinsUnderWay
  readonly relayLists: RelayLists
  readonly deliver: Deliver
  readonly inviteReceiver: InviteReceiver
  readonly signal: AbortSignal
}

export async function buildIngest(input: BuildIngestInput): Promise<{ readonly ingest: Ingest; readonly healing: Healing }> {
  const { ports, rooms, timeline, users, serverName, client, fetch, joins, relayLists, deliver, inviteReceiver: invites } = input
  const staged = await StagedEvents.open({ storage: ports.storage, crypto: ports.crypto, clock: ports.clock, rooms, log: ports.log })
  const budgets = new FetchBudgets(ports.clock)
  const { network, clock, crypto } = ports
  const fetchState = new FetchState({ client, rooms, network, serverName }, fetch)
  const missingByMail = new MissingByMail({ storage: ports.storage, timeline, rooms, budgets })
  const intake = new RoomIntake({ rooms, fetch, fetchState, budgets, staged, missingByMail, network, clock, crypto, serverName })
  const healing = new Healing({ ports, rooms, intake, staged, fetch, budgets }, input.signal)
  const acknowledge = (server: ServerName, ids: ReadonlySet<string>): Promise<void> => deliver.acknowledge(server, ids)
  const edus = new Edus({
    rooms,
    users,
    clock,
    missingByMail,
    takenInvites: new TakenInvites(ports.storage),
    invites,
    relayLists,
    log: ports.log,
    acknowledge,
  })
  const remembered = new RememberedTransactions(ports.storage)
  return { ingest: new Ingest({ rooms, intake, edus, invites, healing, joins, relayLists, remembered }), healing }
}
