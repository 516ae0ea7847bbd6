import type { RoomId } from '@kith/matrix-protocol'
import type { GenericSchema, InferOutput } from 'valibot'
import type { Session } from '../accounts/accounts.ts'
import type { KeyedQueue } from '../keyed-queue.ts'
import type { DehydratedDevices } from '../keys/dehydrated-devices.ts'
import type { KeyBackup } from '../keys/key-backup.ts'
import type { SlidingSync } from '../sync/sliding/sliding-sync.ts'
import type { Caller } from './caller.ts'
import type { ClientApiComponents } from './components.ts'
import type { InteractiveAuth } from './interactive-auth.ts'
import type { LoginTokens } from './login-tokens.ts'
import type { Passwords } from './passwords.ts'
import type { PollsUnderWay } from './polls-under-way.ts'
import type { RateLimits } from './rate-limits.ts'
import type { SpaceWalks } from './space-walks.ts'

export type Method = 'GET' | 'PUT' | 'POST' | 'DELETE'

/** The components, and what the client API keeps for itself. */
export interface Api extends ClientApiComponents {
  readonly interactiveAuth: InteractiveAuth
  readonly passwords: Passwords
  readonly loginTokens: LoginTokens
  readonly rates: RateLimits
  readonly polls: PollsUnderWay
  readonly backup: KeyBackup
  readonly dehydratedDevices: DehydratedDevices
  readonly spaceWalks: SpaceWalks
  /** Upgrades of one room wait for each other. */
  readonly upgrades: KeyedQueue<RoomId>
  readonly slidingSync: SlidingSync
}

/** One request, as far as it has been judged when a handler gets it. */
export interface Call<Name extends string, Body, Auth> {
  /** Path parameters, percent-decoded, of any content. */
  readonly params: Readonly<Record<Name, string>>
  readonly query: URLSearchParams
  readonly body: Body
  /** The body as it comes, where no schema is given for it. */
  readonly bytes: ReadableStream<Uint8Array> | null
  readonly headers: Headers
  readonly session: Auth
  readonly caller: Caller
  /** Aborts when the client goes away. */
  readonly signal: AbortSignal
  /** The request's origin and path, for links back to this server. */
  readonly url: URL
}

/** JSON to answer with status 200, or a whole response. */
export type Answer = object | Response

export interface Endpoint {
  readonly method: Method
  /** Full paths: literal segments and `:name` parameters. */
  readonly paths: readonly string[]
  readonly auth: 'required' | 'optional' | 'none'
  readonly bodySchema: GenericSchema | undefined
  readonly bodyBytesMax: number | undefined
  handle(api: Api, call: Call<string, unknown, Session | undefined>): Promise<Answer>
}

type ParameterNames<Path extends string> = Path extends `${string}:${infer Name}/${infer Rest}`
  ? Name | ParameterNames<`/${Rest}`>
  : Path extends `${string}:${infer Name}`
    ? Name
    : never

type AuthKind = Endpoint['auth']
type SessionFor<Kind extends AuthKind> = Kind extends 'none' ? undefined : Kind extends 'optional' ? Session | undefined : Session

interface Definition<Path extends string, Schema extends GenericSchema | undefined, Kind extends AuthKind> {
  readonly method: Method
  /** Below `/_matrix/<root>/<version>`. */
  readonly path: Path
  /** Default: client. */
  readonly root?: 'client' | 'media'
  /** Default: r0 and v3. */
  readonly versions?: readonly ('r0' | 'v1' | 'v3' | `unstable${string}`)[]
  /** Default: required. */
  readonly auth?: Kind
  /** Default: no body is read. An absent body counts as `{}`. */
  readonly body?: Schema
  readonly bodyBytesMax?: number
  readonly handle: (
    api: Api,
    call: Call<ParameterNames<Path>, Schema extends GenericSchema ? InferOutput<Schema> : undefined, SessionFor<Kind>>,
  ) => Promise<Answer>
}

/** An endpoint of the Client-Server API. */
export function endpoint<Path extends string, Schema extends GenericSchema | undefined = undefined, Kind extends AuthKind = 'required'>(
  definition: Definition<Path, Schema, Kind>,
): Endpoint {
  const { method, path, root = 'client', versions = ['r0', 'v3'], auth = 'required', body, bodyBytesMax } = definition
  return {
    method,
    paths: versions.map((version) => `/_matrix/${root}/${version}${path}`),
    auth,
    bodySchema: body,
    bodyBytesMax,
    handle: definition.handle,
  }
}

/** An endpoint elsewhere than below `/_matrix/client/<version>`, without authentication and body. */
export function plainEndpoint(paths: readonly string[], handle: (api: Api, url: URL) => Promise<Answer>): Endpoint {
  return {
    method: 'GET',
    paths,
    auth: 'none',
    bodySchema: undefined,
    bodyBytesMax: undefined,
    handle: (api, call) => handle(api, call.url),
  }
}
