import type { MediaStore } from '../../media/index.ts'
import type { Ports } from '../../ports/index.ts'
import type { RelayLists } from '../../relay/relay-lists.ts'
import type { PeerClient } from '../peer-client.ts'
import { Profiles } from './profiles.ts'
import { RemoteMedia } from './remote-media.ts'
import { SpaceAnswers } from './space-answers.ts'
import { UserKeys } from './user-keys.ts'

/** What asks other servers in the name of clients, and remembers the answers. */
export interface Queries {
  readonly userKeys: UserKeys
  readonly profiles: Profiles
  readonly spaces: SpaceAnswers
  readonly remoteMedia: RemoteMedia
}

export function buildQueries(
  parts: { readonly ports: Ports; readonly client: PeerClient; readonly relayLists: RelayLists; readonly media: MediaStore },
  signal: AbortSignal,
): Queries {
  const { ports, client, relayLists, media } = parts
  return {
    userKeys: new UserKeys(client),
    profiles: new Profiles({ client, clock: ports.clock, relayLists }),
    spaces: new SpaceAnswers(client, ports.clock),
    remoteMedia: new RemoteMedia({ client, media, clock: ports.clock, log: ports.log }, signal),
  }
}
