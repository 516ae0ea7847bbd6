import { eventually, PATIENCE_MS } from '@kith/testkit/eventually'
import type { Json } from '@kith/testkit/world/json'

export interface ApiAnswer {
  readonly status: number
  readonly body: Json
}

/** One request to a homeserver's Client-Server API. Rejects when there is no answer. */
export type Ask = (method: string, path: string, body: object | undefined, token: string | undefined) => Promise<ApiAnswer>

export interface ReadMessage {
  readonly eventId: string
  readonly text: string
}

const PAGE = 100

/** A user who speaks the plain Client-Server API. The server may die and come back at any moment. */
export class ApiAccount {
  readonly userId: string
  readonly serverName: string
  readonly accessToken: string
  readonly #ask: Ask

  private constructor(ask: Ask, userId: string, accessToken: string) {
    this.#ask = ask
    this.accessToken = accessToken
    this.userId = userId
    this.serverName = userId.slice(userId.indexOf(':') + 1)
  }

  static async register(ask: Ask, username: string): Promise<ApiAccount> {
    const request = { username, password: `password of ${username}`, auth: { type: 'm.login.dummy' } }
    const { status, body } = await ask('POST', '/_matrix/client/v3/register', request, undefined)
    if (status !== 200) throw new Error(`${username} could not register: ${status} ${JSON.stringify(body)}`)
    return new ApiAccount(ask, body.user_id, body.access_token)
  }

  /** A path that does not name its version is one of v3. */
  async call(method: string, path: string, body?: object): Promise<ApiAnswer> {
    return this.#ask(method, path.startsWith('/_matrix/') ? path : `/_matrix/client/v3${path}`, body, this.accessToken)
  }

  /** @throws Error for anything but 200. */
  async ok(method: string, path: string, body?: object): Promise<Json> {
    const answer = await this.call(method, path, body)
    if (answer.status !== 200) throw new Error(`${this.userId}: ${method} ${path}: ${answer.status} ${JSON.stringify(answer.body)}`)
    return answer.body
  }

  async join(roomId: string, via: string): Promise<ApiAnswer> {
    return this.call('POST', `/join/${encodeURIComponent(roomId)}?server_name=${via}&via=${via}`, {})
  }

  async joinedRooms(): Promise<readonly string[]> {
    return (await this.ok('GET', '/joined_rooms')).joined_rooms
  }

  /** Ids of the current state's events, by type and state key. */
  async state(roomId: string): Promise<Map<string, string>> {
    const events: Json[] = await this.ok('GET', `/rooms/${encodeURIComponent(roomId)}/state`)
    return new Map(events.map((event) => [`${event.type} ${event.state_key}`, event.event_id]))
  }

  /** All that the room's history shows, oldest first. */
  async messages(roomId: string): Promise<ReadMessage[]> {
    const messages: ReadMessage[] = []
    let from: string | undefined
    do {
      const query = new URLSearchParams({ dir: 'b', limit: String(PAGE), ...(from === undefined ? {} : { from }) })
      const page = await this.ok('GET', `/rooms/${encodeURIComponent(roomId)}/messages?${query}`)
      for (const event of page.chunk)
        if (event.type === 'm.room.message') messages.push({ eventId: event.event_id, text: String(event.content.body) })
      from = page.end
    } while (from !== undefined)
    return messages.toReversed()
  }

  /** The same transaction id again and again until there is an answer. */
  async sendUntilAcknowledged(roomId: string, text: string): Promise<string> {
    const path = `/rooms/${encodeURIComponent(roomId)}/send/m.room.message/${encodeURIComponent(text)}`
    return eventually(`"${text}" is acknowledged`, PATIENCE_MS, async () => {
      const answer = await this.ok('PUT', path, { msgtype: 'm.text', body: text })
      return String(answer.event_id)
    })
  }
}

/** Over HTTP. */
export function askAt(baseUrl: string): Ask {
  return async (method, path, body, token) => {
    const response = await fetch(`${baseUrl}${path}`, {
      method,
      headers: token === undefined ? {} : { authorization: `Bearer ${token}` },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      signal: AbortSignal.timeout(60_000),
    })
    return { status: response.status, body: await response.json() }
  }
}
