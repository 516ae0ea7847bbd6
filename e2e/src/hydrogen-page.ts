import { PATIENCE_MS } from '@kith/testkit/eventually'
import { fileURLToPath } from 'node:url'
import type { Page } from 'playwright-core'
import { createServer } from 'vite'

const APP_DIRECTORY = fileURLToPath(new URL('../hydrogen/', import.meta.url))
/** Hydrogen's service worker, which fetches media with the user's token, must lie beside the page. */
const SERVICE_WORKER_DIRECTORY = fileURLToPath(new URL('.', import.meta.resolve('hydrogen-view-sdk')))
const WAIT = { timeout: PATIENCE_MS }

/** Serves the Hydrogen web client, as it comes from npm. `cacheDirectory` keeps what is bundled of it. */
export async function serveHydrogen(cacheDirectory: string): Promise<AsyncDisposable & { readonly url: string }> {
  const server = await createServer({
    root: APP_DIRECTORY,
    publicDir: SERVICE_WORKER_DIRECTORY,
    cacheDir: cacheDirectory,
    configFile: false,
    logLevel: 'error',
    server: { host: '127.0.0.1', port: 0, hmr: false, watch: null, fs: { strict: false } },
  })
  await server.listen()
  const url = server.resolvedUrls?.local[0]
  if (url === undefined) throw new Error('Vite serves nowhere')
  return { url, [Symbol.asyncDispose]: async () => server.close() }
}

/** Hydrogen's page as a person uses it. */
export class HydrogenPage {
  readonly page: Page

  constructor(page: Page) {
    this.page = page
  }

  async logIn(baseUrl: string, username: string, password: string): Promise<void> {
    await this.page.getByLabel('Homeserver').fill(baseUrl, WAIT)
    await this.page.getByLabel('Homeserver').blur()
    await this.page.getByLabel('Username').fill(username, WAIT)
    await this.page.getByLabel('Password').fill(password)
    await this.page.getByRole('button', { name: 'Log In' }).click()
    await this.page.getByRole('button', { name: 'Create room' }).waitFor(WAIT)
  }

  /** A private, encrypted room: what Hydrogen proposes. */
  async createRoom(name: string): Promise<void> {
    await this.page.getByRole('button', { name: 'Create room' }).click()
    await this.page.getByRole('button', { name: 'Create Room', exact: true }).click()
    await this.page.getByLabel('Room name').fill(name)
    await this.page.locator('form').getByRole('button', { name: 'Create room' }).click()
    await this.openRoom(name)
  }

  async openRoom(name: string): Promise<void> {
    await this.page.locator('.RoomList').getByRole('link', { name }).click(WAIT)
    await this.#composer().waitFor(WAIT)
  }

  async send(text: string): Promise<void> {
    await this.#composer().fill(text)
    await this.#composer().press('Enter')
  }

  async sendPhoto(photo: { readonly name: string; readonly mimeType: string; readonly buffer: Buffer }): Promise<void> {
    await this.page.getByTitle('Pick attachment').click()
    const choosing = this.page.waitForEvent('filechooser', WAIT)
    await this.page.getByRole('button', { name: 'Send picture' }).click()
    await (await choosing).setFiles(photo)
  }

  async waitForMessage(text: string): Promise<void> {
    await this.page.locator('.Timeline').getByText(text).waitFor(WAIT)
  }

  /** The width of the picture with that name, once it is shown. */
  async widthOfPicture(name: string): Promise<number> {
    // Its place is there, without a source, before it is downloaded and decrypted.
    const picture = this.page.locator(`.Timeline img[alt="${name}"][src^="blob:"]`)
    await picture.waitFor(WAIT)
    return picture.evaluate(async (image) => {
      const shown = image as unknown as { decode(): Promise<void>; naturalWidth: number }
      await shown.decode()
      return shown.naturalWidth
    })
  }

  #composer() {
    return this.page.locator('.MessageComposer_input textarea')
  }
}
