import type { JsonObject, ServerName } from '@kith/matrix-protocol'
import type { OpenIdTokens } from '../../accounts/open-id-tokens.ts'
import type { Directory } from '../../directory/index.ts'
import type { MediaStore } from '../../media/index.ts'
import type { Ports } from '../../ports/index.ts'
import type { RelayLists } from '../../relay/relay-lists.ts'
import type { Rooms } from '../../rooms/index.ts'
import type { Ingest } from '../ingest/ingest.ts'
import type { LocalUsers } from '../local-users.ts'
import type { InviteReceiver } from '../membership/receive-invite.ts'
import type { ThirdPartyInvites } from '../membership/third-party-invites.ts'
import type { ServerKeys } from '../query/server-keys.ts'

/** What the endpoints work with. */
export interface ServeParts {
  readonly ports: Pick<Ports, 'clock' | 'crypto' | 'log'>
  readonly serverName: ServerName
  readonly softwareVersion: string
  readonly rooms: Rooms
  readonly users: LocalUsers
  readonly directory: Directory
  readonly media: MediaStore
  readonly openIdTokens: OpenIdTokens
  readonly serverKeys: ServerKeys
  readonly ingest: Ingest
  readonly invites: InviteReceiver
  readonly thirdPartyInvites: ThirdPartyInvites
  readonly relayLists: RelayLists
  /** A relay says that mail waits. False when this server has no mailbox there. */
  readonly mailWaiting: (relay: ServerName) => boolean
}

/** The empty answer. */
export const NOTHING: JsonObject = {}
