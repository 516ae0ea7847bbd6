import type { MatrixClient } from 'matrix-js-sdk'
import type { JsonObject } from '@kith/matrix-protocol'
import { observableValue } from '../observable.ts'
import type { ObservableValue } from '../observable.ts'
import type { ChatDatabase, Session } from './chat-database.ts'
import type { Chat, ChatOutcome, Self } from './chat-model.ts'
import { makeContactLink } from './contact-link.ts'
import type { Contact } from './contact-link.ts'
import { createDirectChat, existingDirectChat, markDirect, pendingInviteFrom } from './direct-chats.ts'
import { describeFailure, isPeerUnreachable, refusalOf } from './failure-text.ts'
import { rememberName } from './known-names.ts'
import { chatLimits } from './limits.ts'
import { wait } from './long-poll.ts'
import { parseNetworkState } from './network-state.ts'
import type { NetworkState } from './network-state.ts'
import type { NodeRequest, NodeRequester } from './node-api.ts'
import { nameIn } from './room-events.ts'
import { replacementOf } from './room-list.ts'
import type { RunningChat } from './running-chat.ts'
import { cleanDisplayName } from './username.ts'

export interface ChatActionsOptions {
  readonly client: MatrixClient
  readonly session: Session
  readonly database: ChatDatabase
  readonly request: NodeRequester
  readonly running: RunningChat
  readonly self: ObservableValue<Self>
  readonly signal: AbortSignal
}

/** Round trips are measured anew without being a change, so a poll ends after this long. */
const networkPollMs = 2_000

/** What people can do, on top of a running client. */
export function chatActions(options: ChatActionsOptions): Chat {
  const { running, self } = options
  const startDirectChat = startDirectChatAction(options)
  return {
    self,
    rooms: running.rooms,
    connection: running.connection,
    openRoom: (roomId) => running.openRoom(roomId),
    startDirectChat,
    acceptInvite: (roomId) => acceptInvite(options, roomId),
    followRoom: (roomId) => followRoom(options, roomId),
    declineInvite: (roomId) => leave(options, roomId),
    leaveRoom: (roomId) => leave(options, roomId),
    inviteTo: (roomId, contact) => inviteTo(options, roomId, contact),
    setDisplayName: (displayName) => setDisplayName(options, displayName),
    contactLink: async () => makeContactLink(location.origin, await ask(options, { method: 'GET', path: 'unstable/im.kith/contact' })),
    watchNetwork: (listener) => watchNetwork(options, listener),
    addRelay: async (address) => {
      try {
        await ask(options, { method: 'POST', path: 'unstable/im.kith/relays', body: { addresses: [address] } })
        return { kind: 'done' }
      } catch (error) {
        return { kind: 'failed', reason: describeFailure(error) }
      }
    },
  }
}

/** One chat with a person is begun at a time: two clicks must not make two rooms. */
function startDirectChatAction(options: ChatActionsOptions): Chat['startDirectChat'] {
  const underWay = new Map<string, Promise<ChatOutcome>>()
  return (contact) => {
    const running = underWay.get(contact.userId)
    if (running !== undefined) return running
    const started = startDirectChat(options, contact).finally(() => underWay.delete(contact.userId))
    underWay.set(contact.userId, started)
    return started
  }
}

async function startDirectChat(options: ChatActionsOptions, contact: Contact): Promise<ChatOutcome> {
  const { client, session, running } = options
  if (contact.userId === session.userId) return { kind: 'failed', reason: 'This is your own invite link. Send it to somebody else.' }
  try {
    await rememberContact(options, contact)
    const invite = pendingInviteFrom(client, contact.userId)
    if (invite !== undefined) return await acceptInvite(options, invite.roomId)
    const existing = existingDirectChat(client, contact.userId)
    const roomId = existing?.roomId ?? (await createDirectChat(client, contact.userId))
    await markDirect(client, roomId, contact.userId)
    await running.roomArrived(roomId, 'join', remoteTimeout())
    return { kind: 'done', roomId }
  } catch (error) {
    return { kind: 'failed', reason: contactFailure(error, contact) }
  }
}

async function acceptInvite(options: ChatActionsOptions, roomId: string): Promise<ChatOutcome> {
  const { client, session, running } = options
  const room = client.getRoom(roomId)
  const event = room?.getMember(session.userId)?.events.member
  const inviterId = event?.getSender()
  const inviterName = room === null || inviterId === undefined ? undefined : nameIn(room, inviterId)
  const direct = event?.getContent()['is_direct'] === true
  try {
    const viaServers = inviterId === undefined ? [] : [inviterId.slice(inviterId.indexOf(':') + 1)]
    await patiently(() => client.joinRoom(roomId, { viaServers }), options.signal)
    if (direct && inviterId !== undefined) await markDirect(client, roomId, inviterId)
    await running.roomArrived(roomId, 'join', remoteTimeout())
    return { kind: 'done', roomId }
  } catch (error) {
    return { kind: 'failed', reason: describeFailure(error, inviterName) }
  }
}

async function followRoom(options: ChatActionsOptions, roomId: string): Promise<ChatOutcome> {
  const { client, running } = options
  const room = client.getRoom(roomId)
  const replacement = room === null ? undefined : replacementOf(room)
  if (replacement === undefined) return { kind: 'failed', reason: 'This chat has not moved.' }
  try {
    await patiently(() => client.joinRoom(replacement.roomId, { viaServers: [replacement.server] }), options.signal)
    await running.roomArrived(replacement.roomId, 'join', remoteTimeout())
    return { kind: 'done', roomId: replacement.roomId }
  } catch (error) {
    return { kind: 'failed', reason: describeFailure(error) }
  }
}

/** A first connection between two devices may take more than one try: people should not have to press for each. */
async function patiently<T>(request: () => Promise<T>, signal: AbortSignal): Promise<T> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await request()
    } catch (error) {
      if (attempt >= chatLimits.remoteAttemptsMax || signal.aborted || !isPeerUnreachable(error)) throw error
      await wait(chatLimits.remoteAttemptGapMs, signal)
    }
  }
}

async function leave({ client, running }: ChatActionsOptions, roomId: string): Promise<ChatOutcome> {
  try {
    await client.leave(roomId)
    await running.roomArrived(roomId, 'leave', AbortSignal.timeout(5_000)).catch(() => undefined)
    return { kind: 'done', roomId }
  } catch (error) {
    return { kind: 'failed', reason: describeFailure(error) }
  }
}

async function inviteTo(options: ChatActionsOptions, roomId: string, contact: Contact): Promise<ChatOutcome> {
  try {
    await rememberContact(options, contact)
    // Not the SDK's invite, which first uploads the keys of the whole history: whoever comes later reads from there on.
    await ask(options, { method: 'POST', path: `v3/rooms/${encodeURIComponent(roomId)}/invite`, body: { user_id: contact.userId } })
    return { kind: 'done', roomId }
  } catch (error) {
    return { kind: 'failed', reason: contactFailure(error, contact) }
  }
}

async function setDisplayName(options: ChatActionsOptions, name: string): Promise<ChatOutcome> {
  const displayName = cleanDisplayName(name)
  if (displayName === '') return { kind: 'failed', reason: 'A name needs at least one visible character.' }
  try {
    await options.client.setDisplayName(displayName)
    options.self.set({ ...options.self.get(), displayName })
    const account = await options.database.account()
    if (account !== undefined) await options.database.putAccount({ ...account, displayName })
    return { kind: 'done', roomId: '' }
  } catch (error) {
    return { kind: 'failed', reason: describeFailure(error) }
  }
}

/** Tells the node where the person can be found. A plain user id comes without addresses. */
async function rememberContact(options: ChatActionsOptions, contact: Contact): Promise<void> {
  if (contact.relayList === undefined) return
  await rememberName(options.client, options.database, contact)
  const body: JsonObject = { user_id: contact.userId, relay_list: contact.relayList }
  await ask(options, { method: 'POST', path: 'unstable/im.kith/contacts', body })
}

function contactFailure(error: unknown, contact: Contact): string {
  if (refusalOf(error)?.errcode === 'M_INVALID_PARAM') return 'The link was changed on its way and cannot be trusted. Ask for it again.'
  return describeFailure(error, contact.displayName)
}

function watchNetwork(options: ChatActionsOptions, listener: (state: NetworkState | undefined) => void): () => void {
  const stopped = new AbortController()
  const signal = AbortSignal.any([stopped.signal, options.signal])
  const run = async () => {
    let version: number | undefined
    while (!signal.aborted) {
      const state = await networkState(options, version, signal)
      if (signal.aborted) return
      listener(state)
      version = state?.version
      if (version === undefined) await wait(networkPollMs, signal)
    }
  }
  void run()
  return () => stopped.abort()
}

async function networkState(
  options: ChatActionsOptions,
  version: number | undefined,
  signal: AbortSignal,
): Promise<NetworkState | undefined> {
  const query = version === undefined ? '' : `?since=${version}&timeout=${networkPollMs}`
  try {
    return parseNetworkState(await ask(options, { method: 'GET', path: `unstable/im.kith/network${query}`, signal }))
  } catch {
    return undefined
  }
}

async function ask(
  options: ChatActionsOptions,
  request: Omit<NodeRequest, 'signal'> & { readonly signal?: AbortSignal },
): Promise<JsonObject> {
  const signal = request.signal ?? AbortSignal.any([options.signal, remoteTimeout()])
  return await options.request({ ...request, accessToken: options.session.accessToken, signal })
}

function remoteTimeout(): AbortSignal {
  return AbortSignal.timeout(chatLimits.remoteRequestTimeoutMs)
}

/** What the page says of somebody before the first sync. */
export function initialSelf(session: Session, displayName: string): ObservableValue<Self> {
  const { userId } = session
  return observableValue({ userId, serverName: userId.slice(userId.indexOf(':') + 1), displayName })
}
