import { eventually, PATIENCE_MS } from '@kith/testkit/eventually'
import type { Page } from 'playwright-core'

/** Kith's page as a person uses it: by the words on it. */
export class ChatPage {
  readonly page: Page

  constructor(page: Page) {
    this.page = page
  }

  async giveName(name: string): Promise<void> {
    await this.page.getByLabel('Your name').fill(name)
    await this.page.getByRole('button', { name: 'Start chatting' }).click()
  }

  async waitUntilReady(): Promise<void> {
    await this.page.getByRole('navigation', { name: 'Chats' }).waitFor({ timeout: PATIENCE_MS })
  }

  async inviteLink(): Promise<string> {
    await this.page.getByRole('button', { name: 'Invite someone' }).first().click()
    const dialog = this.page.getByRole('dialog', { name: 'Invite someone' })
    const link = await dialog.getByLabel('Your invite link').inputValue({ timeout: PATIENCE_MS })
    await dialog.getByRole('button', { name: 'Close' }).click()
    return link
  }

  async openInviteLink(link: string): Promise<void> {
    await this.page.goto(link)
    await this.page.getByRole('button', { name: 'Start chat', exact: true }).click({ timeout: PATIENCE_MS })
    await this.#composer().waitFor({ timeout: PATIENCE_MS })
  }

  async acceptInvite(): Promise<void> {
    await this.page.getByRole('button', { name: 'Accept' }).click({ timeout: PATIENCE_MS })
    await this.#composer().waitFor({ timeout: PATIENCE_MS })
  }

  async openChatWith(name: string): Promise<void> {
    await this.page.getByRole('navigation', { name: 'Chats' }).getByText(name, { exact: true }).first().click({ timeout: PATIENCE_MS })
    await this.#composer().waitFor({ timeout: PATIENCE_MS })
  }

  async send(text: string): Promise<void> {
    await this.#composer().fill(text)
    await this.#composer().press('Enter')
  }

  async waitForMessage(text: string, timeoutMs = PATIENCE_MS): Promise<void> {
    await this.#log().getByText(text, { exact: true }).first().waitFor({ timeout: timeoutMs })
  }

  /** The texts of the messages on the screen, in order. The window must be high enough to show all of them. */
  async messages(): Promise<string[]> {
    return this.#log().locator('article [class*=text]').allTextContents()
  }

  /** The delivery states of the own messages on the screen, by their text. */
  async deliveryStates(): Promise<Map<string, string>> {
    const rows = await this.#log()
      .locator('article[data-own]')
      .evaluateAll((articles) =>
        articles.map((article) => [
          article.querySelector('[class*=text]')?.textContent ?? '',
          article.querySelector('[data-delivery-state]')?.getAttribute('data-delivery-state') ?? '',
        ]),
      )
    return new Map(rows.map(([text, state]) => [text ?? '', state ?? '']))
  }

  async waitForDeliveryState(texts: readonly string[], state: string, timeoutMs: number): Promise<void> {
    await eventually(`${texts.length} messages are ${state}`, timeoutMs, async () => {
      const states = await this.deliveryStates()
      const others = texts.filter((text) => states.get(text) !== state)
      if (others.length > 0)
        throw new Error(`not ${state}: ${others.map((text) => `${text} (${states.get(text) ?? 'not shown'})`).join(', ')}`)
      return true
    })
  }

  #composer() {
    return this.page.getByRole('textbox', { name: 'Message' })
  }

  #log() {
    return this.page.getByRole('log', { name: 'Messages' })
  }
}
