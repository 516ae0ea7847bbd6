import type { Storage } from '../ports/storage.ts'
import { Aliases } from './aliases.ts'
import { PublishedRooms } from './published-rooms.ts'

/** What this server tells everybody: names of rooms, and rooms worth finding. */
export interface Directory {
  readonly aliases: Aliases
  readonly published: PublishedRooms
}

export async function openDirectory(storage: Storage): Promise<Directory> {
  return { aliases: new Aliases(storage), published: await PublishedRooms.open(storage) }
}
