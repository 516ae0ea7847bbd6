import { acquireChat, type ChatLock, type ChatLockOptions } from '../../src/window/chat-lock.ts'
import { openNodeAccess, type NodeAccess } from '../../src/window/node-access.ts'

declare global {
  var nodeAccess: NodeAccess
  var acquireChat: (options: ChatLockOptions) => ChatLock
}

/** The page without its UI: tests call these from outside. */
globalThis.nodeAccess = await openNodeAccess()
globalThis.acquireChat = acquireChat
