/** What a test may ask of the network in the page's worker. */
export interface PageCalls {
  /** Resolves with the server name. */
  start(relays: readonly string[]): Promise<string>
  learn(server: string, addresses: readonly string[]): Promise<void>
  /** Posts a body of this length to the peer's echo; resolves with the length of the answer. */
  echo(server: string, length: number): Promise<number>
  /** Resolves with who the peer says that asked. */
  whoAmI(server: string): Promise<string>
  addresses(): Promise<readonly string[]>
  connections(): Promise<
    readonly { readonly server: string; readonly path: string; readonly transport: string; readonly roundTripMs?: number }[]
  >
}

export interface CallMessage {
  readonly id: number
  readonly name: keyof PageCalls
  readonly parameters: readonly unknown[]
}

export type AnswerMessage = { readonly id: number; readonly value: unknown } | { readonly id: number; readonly error: string }
