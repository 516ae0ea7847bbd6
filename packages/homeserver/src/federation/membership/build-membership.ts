import type { ServerName } from '@kith/matrix-protocol'
import type { Ports } from '../../ports/index.ts'
import type { Rooms } from '../../rooms/index.ts'
import type { Deliver } from '../deliver/deliver.ts'
import type { JoinsUnderWay } from '../ingest/joins-under-way.ts'
import type { LocalUsers } from '../local-users.ts'
import type { PeerClient } from '../peer-client.ts'
import { CompleteRooms } from './complete-rooms.ts'
import { InviteReceiver } from './receive-invite.ts'
import { RemoteInvite } from './remote-invite.ts'
import { RemoteMembership } from './remote-membership.ts'
import { ThirdPartyInvites } from './third-party-invites.ts'

export interface BuildMembershipInput {
  readonly ports: Ports
  readonly client: PeerClient
  readonly rooms: Rooms
  readonly users: LocalUsers
  readonly joins: JoinsUnderWay
  readonly deliver: Pick<Deliver, 'giveUp'>
  readonly serverName: ServerName
  readonly signal: AbortSignal
}

export interface MembershipParts {
  readonly membership: RemoteMembership
  readonly invites: RemoteInvite
  readonly inviteReceiver: InviteReceiver
  readonly thirdPartyInvites: ThirdPartyInvites
  readonly complete: CompleteRooms
}

/** Everything by which users come into rooms of other servers, and other servers' users into rooms here. */
export function buildMembership({
  ports,
  client,
  rooms,
  users,
  joins,
  deliver,
  serverName,
  signal,
}: BuildMembershipInput): MembershipParts {
  const complete = new CompleteRooms({ ports, client, rooms, deliver, serverName }, signal)
  const invites = new RemoteInvite({ client, rooms })
  return {
    membership: new RemoteMembership({ ports, client, rooms, joins, complete, serverName }),
    invites,
    inviteReceiver: new InviteReceiver({ crypto: ports.crypto, rooms, users, serverName }),
    thirdPartyInvites: new ThirdPartyInvites({ rooms, client, invites, serverName }),
    complete,
  }
}
