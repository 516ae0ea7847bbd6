import { User } from 'matrix-js-sdk'
import type { MatrixClient } from 'matrix-js-sdk'
import type { ChatDatabase } from './chat-database.ts'
import type { Contact } from './contact-link.ts'

/** Tells the client what people are called who have not been met in a room yet. */
export async function loadKnownNames(client: MatrixClient, database: ChatDatabase): Promise<void> {
  for (const [userId, name] of await database.names()) storeName(client, userId, name)
}

/** Keeps the name that somebody's invite link gave. */
export async function rememberName(client: MatrixClient, database: ChatDatabase, contact: Contact): Promise<void> {
  storeName(client, contact.userId, contact.displayName)
  await database.putName(contact.userId, contact.displayName)
}

function storeName(client: MatrixClient, userId: string, name: string): void {
  const user = client.getUser(userId) ?? new User(userId)
  user.setDisplayName(name)
  client.store.storeUser(user)
}
