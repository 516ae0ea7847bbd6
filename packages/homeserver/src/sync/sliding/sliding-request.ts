import type { RoomId } from '@kith/matrix-protocol'

/** Absent: any. */
export interface StatePattern {
  readonly type?: string
  readonly stateKey?: string
}

export interface RequiredState {
  readonly include: readonly StatePattern[]
  readonly exclude: readonly StatePattern[]
  /** Members only as the timeline needs them. */
  readonly lazyMembers: boolean
}

/** What of a room a client wants to have. */
export interface RoomConfig {
  readonly timelineLimit: number
  readonly requiredState: RequiredState
  readonly heroes: boolean
}

export interface ListFilters {
  readonly isDirect?: boolean
  readonly isEncrypted?: boolean
  readonly isInvited?: boolean
  /** Null stands for rooms without a type. */
  readonly roomTypes?: readonly (string | null)[]
  readonly notRoomTypes?: readonly (string | null)[]
  readonly tags?: readonly string[]
  readonly notTags?: readonly string[]
  readonly spaces?: readonly string[]
}

export interface ListRequest extends RoomConfig {
  /** Inclusive; absent: the whole list. */
  readonly ranges?: readonly (readonly [first: number, last: number])[]
  readonly filters: ListFilters
}

/** The rooms that an extension tells of: those of the named lists and subscriptions, of all without a name, `*` for all. */
export interface ExtensionScope {
  readonly enabled: boolean
  readonly lists: readonly string[] | undefined
  readonly rooms: readonly string[] | undefined
}

export interface SlidingRequest {
  readonly lists: ReadonlyMap<string, ListRequest>
  readonly subscriptions: ReadonlyMap<RoomId, RoomConfig>
  readonly extensions: {
    readonly toDevice: { readonly enabled: boolean; readonly since: number | undefined; readonly limit: number | undefined }
    readonly encryption: { readonly enabled: boolean }
    readonly accountData: ExtensionScope
    readonly receipts: ExtensionScope
    readonly typing: ExtensionScope
  }
}
