import type { UIAuthCallback } from 'matrix-js-sdk'
import { openSession, passwordAuth } from './account.ts'
import { chatActions, initialSelf } from './chat-actions.ts'
import type { Account, ChatDatabase, Session } from './chat-database.ts'
import type { Chat } from './chat-model.ts'
import { loadKnownNames } from './known-names.ts'
import { nodeRequester } from './node-api.ts'
import { RunningChat } from './running-chat.ts'
import { createSdkClient } from './sdk-client.ts'

/** What is being done on the way to the first screen. */
export type StartChatStep = 'registering' | 'opening-keys' | 'syncing' | 'publishing-keys'

export interface StartChatOptions {
  readonly account: Account
  readonly database: ChatDatabase
  readonly fetch: typeof globalThis.fetch
  readonly onStep: (step: StartChatStep) => void
  readonly signal: AbortSignal
}

export interface StartedChat {
  readonly chat: Chat
  readonly hurry: () => void
  /** Resolves when the crypto store is closed; false when it would not close in time. */
  readonly stop: () => Promise<boolean>
}

/** From an account, registered or not, to a chat that sends and receives. May be repeated after any failure. */
export async function startChat(options: StartChatOptions): Promise<StartedChat> {
  const { database, fetch, onStep, signal } = options
  const request = nodeRequester(fetch)
  let { account } = options
  if (account.session === undefined) {
    onStep('registering')
    account = { ...account, session: await openSession(account, request, signal) }
    await database.putAccount(account)
  }
  const session = account.session as Session
  const self = initialSelf(session, account.displayName)
  onStep('opening-keys')
  const client = createSdkClient(session, fetch)
  const running = new RunningChat({ client, session, database, request, ownName: () => self.get().displayName })
  const lifetime = new AbortController()
  try {
    await loadKnownNames(client, database)
    await running.start(signal, () => onStep('syncing'))
    if (!account.crossSigned) {
      onStep('publishing-keys')
      await publishCrossSigning(client, account, session)
      await database.putAccount({ ...account, crossSigned: true })
    }
    signal.throwIfAborted()
    running.sendAndFollow()
  } catch (error) {
    await running.stop()
    throw error
  }
  return {
    chat: chatActions({ client, session, database, request, running, self, signal: lifetime.signal }),
    hurry: () => running.hurry(),
    stop: () => {
      lifetime.abort()
      return running.stop()
    },
  }
}

/** A run that was cut short may have made keys without publishing them, so it begins with new ones. */
async function publishCrossSigning(client: ReturnType<typeof createSdkClient>, account: Account, session: Session): Promise<void> {
  const authUploadDeviceSigningKeys: UIAuthCallback<void> = async (makeRequest) => {
    try {
      await makeRequest(null)
    } catch (error) {
      const data: unknown = error instanceof Error && 'data' in error ? error.data : undefined
      if (typeof data !== 'object' || data === null || !('flows' in data)) throw error
      await makeRequest(passwordAuth(account, session.userId, 'session' in data ? data.session : undefined))
    }
  }
  await client.getCrypto()?.bootstrapCrossSigning({ setupNewCrossSigning: true, authUploadDeviceSigningKeys })
}
