import type { RoomId } from '@kith/matrix-protocol'
import { everyEntry } from '../every-entry.ts'
import { limits } from '../limits.ts'
import { type Storage, WriteBatch } from '../ports/storage.ts'
import { appServiceTables } from './tables.ts'

/** The rooms that application services show to those who look for rooms of their networks. Few, so all are in memory. */
export class NetworkRooms {
  readonly #storage: Storage
  readonly #networks = new Map<string, Set<RoomId>>()
  #size = 0

  private constructor(storage: Storage) {
    this.#storage = storage
  }

  static async open(storage: Storage): Promise<NetworkRooms> {
    const rooms = new NetworkRooms(storage)
    for await (const { key } of everyEntry(storage, appServiceTables.networkRooms)) rooms.#add(instanceId(key[0], key[1]), key[2])
    return rooms
  }

  /** The rooms of a network, by the name that `GET /thirdparty/protocols` gives to it. */
  ofInstance(instance: string): ReadonlySet<RoomId> {
    return this.#networks.get(instance) ?? new Set()
  }

  all(): Set<RoomId> {
    return new Set([...this.#networks.values()].flatMap((rooms) => [...rooms]))
  }

  /** False when too many are shown already. */
  async publish(serviceId: string, network: string, roomId: RoomId): Promise<boolean> {
    const instance = instanceId(serviceId, network)
    if (this.ofInstance(instance).has(roomId)) return true
    if (this.#size >= limits.implementation.appServiceNetworkRoomsMax) return false
    await this.#storage.commit(new WriteBatch().put(appServiceTables.networkRooms, [serviceId, network, roomId], true).writes)
    this.#add(instance, roomId)
    return true
  }

  async unpublish(serviceId: string, network: string, roomId: RoomId): Promise<void> {
    const rooms = this.#networks.get(instanceId(serviceId, network))
    if (rooms?.has(roomId) !== true) return
    await this.#storage.commit(new WriteBatch().delete(appServiceTables.networkRooms, [serviceId, network, roomId]).writes)
    if (rooms.delete(roomId)) this.#size -= 1
  }

  #add(instance: string, roomId: RoomId): void {
    const rooms = this.#networks.getOrInsertComputed(instance, () => new Set<RoomId>())
    if (rooms.has(roomId)) return
    rooms.add(roomId)
    this.#size += 1
  }
}

/** Names one of a service's networks among those of all services. */
export function instanceId(serviceId: string, network: string): string {
  return `${serviceId}|${network}`
}
