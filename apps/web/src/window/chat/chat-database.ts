import { openDB } from 'idb'
import type { DBSchema, IDBPDatabase } from 'idb'

/** The account of this device. Its password was made here and is needed again only to renew the session or the cross-signing keys. */
export interface Account {
  readonly displayName: string
  readonly username: string
  readonly password: string
  /** Absent until the node has answered the registration. */
  readonly session?: Session
  /** True once the cross-signing keys are made and published. */
  readonly crossSigned: boolean
}

export interface Session {
  readonly userId: string
  readonly deviceId: string
  readonly accessToken: string
}

/** A message that the node has not answered yet. */
export interface OutboxEntry {
  /** Given by the database; entries of a room are sent in this order. */
  readonly sequence: number
  /** Sent again under the same id, so that the node stores the message once. A refused one starts over under a new id. */
  readonly transactionId: string
  readonly roomId: string
  readonly text: string
  readonly writtenAtMs: number
  /** Why the node refused it; it waits for the writer to try again or to drop it. */
  readonly failure?: string
}

export interface OutboxStore {
  readonly all: () => Promise<OutboxEntry[]>
  readonly add: (entry: Omit<OutboxEntry, 'sequence'>) => Promise<OutboxEntry>
  readonly replace: (entry: OutboxEntry) => Promise<void>
  readonly remove: (sequence: number) => Promise<void>
}

interface ChatSchema extends DBSchema {
  account: { key: 'account'; value: Account }
  outbox: { key: number; value: Omit<OutboxEntry, 'sequence'> }
  names: { key: string; value: string }
}

/** What the chat client keeps on this device besides its crypto store. */
export class ChatDatabase {
  readonly outbox: OutboxStore
  readonly #database: IDBPDatabase<ChatSchema>

  private constructor(database: IDBPDatabase<ChatSchema>) {
    this.#database = database
    this.outbox = outboxStore(database)
  }

  static async open(name: string): Promise<ChatDatabase> {
    const database = await openDB<ChatSchema>(name, 1, {
      upgrade: (upgrading) => {
        upgrading.createObjectStore('account')
        upgrading.createObjectStore('outbox', { autoIncrement: true })
        upgrading.createObjectStore('names')
      },
    })
    return new ChatDatabase(database)
  }

  account(): Promise<Account | undefined> {
    return this.#database.get('account', 'account')
  }

  async putAccount(account: Account): Promise<void> {
    const transaction = this.#database.transaction('account', 'readwrite', { durability: 'strict' })
    await Promise.all([transaction.store.put(account, 'account'), transaction.done])
  }

  /** The names in invite links, by user id: what people are called before their own server has said so. */
  async names(): Promise<Map<string, string>> {
    const transaction = this.#database.transaction('names')
    const [userIds, names] = await Promise.all([transaction.store.getAllKeys(), transaction.store.getAll(), transaction.done])
    return new Map(userIds.map((userId, index) => [userId, names[index] ?? '']))
  }

  async putName(userId: string, name: string): Promise<void> {
    await this.#database.put('names', name, userId)
  }

  close(): void {
    this.#database.close()
  }
}

function outboxStore(database: IDBPDatabase<ChatSchema>): OutboxStore {
  return {
    all: async () => {
      const transaction = database.transaction('outbox')
      const [sequences, rows] = await Promise.all([transaction.store.getAllKeys(), transaction.store.getAll(), transaction.done])
      return rows.flatMap((row, index) => {
        const sequence = sequences[index]
        return sequence === undefined ? [] : [{ ...row, sequence }]
      })
    },
    add: async (entry) => {
      // Strict: what the composer gave away must survive a power cut.
      const transaction = database.transaction('outbox', 'readwrite', { durability: 'strict' })
      const [sequence] = await Promise.all([transaction.store.add(entry), transaction.done])
      return { ...entry, sequence }
    },
    replace: async ({ sequence, ...row }) => {
      await database.put('outbox', row, sequence)
    },
    remove: (sequence) => database.delete('outbox', sequence),
  }
}
