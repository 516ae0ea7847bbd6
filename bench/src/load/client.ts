/** A Matrix client of one account, as thin as a measurement wants it. */
export class Client {
  static async register(clientApi: (request: Request) => Promise<Response>, username = 'alice'): Promise<Client> {
    const client = new Client(clientApi, '')
    const { access_token, user_id } = await client.call('POST', '/v3/register', {
      username,
      password: 'a password for a benchmark',
      auth: { type: 'm.login.dummy' },
    })
    return new Client(clientApi, access_token as string, user_id as string)
  }

  readonly #clientApi: (request: Request) => Promise<Response>
  readonly #accessToken: string
  readonly userId: string

  private constructor(clientApi: (request: Request) => Promise<Response>, accessToken: string, userId = '') {
    this.#clientApi = clientApi
    this.#accessToken = accessToken
    this.userId = userId
  }

  /** The same account, reached in another way. */
  through(clientApi: (request: Request) => Promise<Response>): Client {
    return new Client(clientApi, this.#accessToken, this.userId)
  }

  /** @throws Error when the answer is not 200. */
  async call(method: string, path: string, body?: object): Promise<Record<string, unknown>> {
    const request = new Request(`http://localhost/_matrix/client${path}`, {
      method,
      headers: {
        'content-type': 'application/json',
        ...(this.#accessToken === '' ? {} : { authorization: `Bearer ${this.#accessToken}` }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    })
    const response = await this.#clientApi(request)
    const answer = (await response.json()) as Record<string, unknown>
    if (response.status !== 200)
      throw new Error(`${method} ${path} answered ${response.status} ${String(answer['errcode'])} ${String(answer['error'])}`)
    return answer
  }

  async createRoom(invite: readonly string[] = []): Promise<string> {
    const { room_id } = await this.call('POST', '/v3/createRoom', { preset: 'trusted_private_chat', invite })
    return room_id as string
  }

  async sendMessage(roomId: string, transactionId: string, text: string): Promise<string> {
    const path = `/v3/rooms/${encodeURIComponent(roomId)}/send/m.room.message/${transactionId}`
    const { event_id } = await this.call('PUT', path, { msgtype: 'm.text', body: text })
    return event_id as string
  }
}
