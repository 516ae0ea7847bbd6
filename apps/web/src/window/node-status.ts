import type { NodeStartStep } from '../node-port/messages.ts'

/** `leading`: the node runs in a worker of this tab. `following`: it runs in another tab of this browser. */
export type NodeRole = 'leading' | 'following'

/** What the node is doing on its way up, in this order. */
export type StartStep = 'waiting-for-other-tab' | NodeStartStep

export type NodeStatus =
  | { readonly kind: 'starting'; readonly step: StartStep }
  | { readonly kind: 'ready'; readonly serverName: string }
  /** The tab that ran the node went away; requests wait meanwhile and are carried over. */
  | { readonly kind: 'taking-over' }
  /** Both are sentences for people. `retry` of NodeAccess starts over. */
  | { readonly kind: 'failed'; readonly message: string; readonly whatToDo: string }
