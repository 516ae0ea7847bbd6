export interface Namespace {
  /** Nobody but the service may have what is in it. */
  readonly exclusive: boolean
  /** Takes time that is bounded by the length of the id, whatever the operator wrote: whoever makes such regular expressions sees to it. */
  readonly matches: (id: string) => boolean
}

/** What the operator says of an application service. @see https://spec.matrix.org/latest/application-service-api/#registration */
export interface AppServiceRegistration {
  readonly id: string
  /** Undefined: it is told nothing, and asks for itself. */
  readonly url: string | undefined
  readonly asToken: string
  readonly hsToken: string
  readonly senderLocalpart: string
  readonly namespaces: {
    readonly users: readonly Namespace[]
    readonly aliases: readonly Namespace[]
    readonly rooms: readonly Namespace[]
  }
  /** Whether its users but the sender are held to the rates of everybody. */
  readonly rateLimited: boolean
  /** Other networks that it leads to. */
  readonly protocols: readonly string[]
  /** Typing, receipts and presence; `unstable`: under the names of MSC2409 too. */
  readonly ephemeral: 'none' | 'stable' | 'unstable'
  /** Messages to devices of the users that it made. Who is told of them here does not find them by `/sync` any more. */
  readonly toDevice: boolean
}
