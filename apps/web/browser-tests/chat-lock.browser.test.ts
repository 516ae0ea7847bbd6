import type { BrowserContext, Page } from 'playwright-core'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { buildAndServeTestPage, openProfile, type TestPage } from './test-page.ts'

let testPage: TestPage
beforeAll(async () => {
  testPage = await buildAndServeTestPage()
})
afterAll(async () => testPage[Symbol.asyncDispose]())

declare global {
  var chat: ReturnType<typeof acquireChat>
  var told: string[]
}

/** A tab that asks for the chat and takes `stopMs` to stop it. */
async function openTab(context: BrowserContext, stopMs = 50): Promise<Page> {
  const tab = await context.newPage()
  await tab.goto(testPage.url)
  await tab.waitForFunction(() => 'acquireChat' in globalThis)
  await tab.evaluate((stopMs) => {
    globalThis.told = []
    globalThis.chat = acquireChat({
      onReleaseRequested: async () => {
        told.push('release requested')
        await new Promise((resolve) => setTimeout(resolve, stopMs))
        told.push('stopped')
      },
      onRobbed: () => told.push('robbed'),
    })
    chat.state.subscribe(() => told.push(chat.state.get()))
  }, stopMs)
  await tab.waitForFunction(() => chat.state.get() !== 'waiting')
  return tab
}

const stateOf = async (tab: Page) => tab.evaluate(() => chat.state.get())
const toldTo = async (tab: Page) => tab.evaluate(() => told)

async function untilState(tab: Page, state: string): Promise<void> {
  await tab.waitForFunction((state) => chat.state.get() === state, state)
}

test('one tab has the chat; another takes it over after the first has stopped', async () => {
  await using profile = await openProfile()
  const [first, second, third] = [await openTab(profile.context), await openTab(profile.context), await openTab(profile.context)]
  expect([await stateOf(first), await stateOf(second), await stateOf(third)]).toEqual(['held', 'held-elsewhere', 'held-elsewhere'])
  // The third, because the second was in the queue for the lock before it.
  await third.evaluate(async () => chat.takeOver())
  expect(await stateOf(third)).toBe('held')
  await untilState(first, 'held-elsewhere')
  expect(await toldTo(first)).toEqual(['held', 'release requested', 'stopped', 'held-elsewhere'])
  expect(await stateOf(second)).toBe('held-elsewhere')

  await first.evaluate(async () => chat.takeOver())
  expect(await stateOf(first)).toBe('held')
  await untilState(third, 'held-elsewhere')
})

test('when the holder closes, a visible tab goes on by itself', async () => {
  await using profile = await openProfile()
  const [first, second] = [await openTab(profile.context), await openTab(profile.context)]
  await first.close()
  await untilState(second, 'held')
})

test('a holder that does not answer is robbed, and told so when it wakes', async () => {
  await using profile = await openProfile()
  const [first, second] = [await openTab(profile.context), await openTab(profile.context)]
  // Cookies are all that a tab can tell and learn while it does not answer.
  const slept = first.evaluate(() => {
    document.cookie = 'asleep=yes'
    while (!document.cookie.includes('awake'));
  })
  await expect.poll(async () => (await profile.context.cookies()).map(({ name }) => name)).toContain('asleep')
  await second.evaluate(async () => chat.takeOver())
  expect(await stateOf(second)).toBe('held')
  await profile.context.addCookies([{ name: 'awake', value: 'yes', url: testPage.url }])
  await slept
  await untilState(first, 'held-elsewhere')
  expect(await toldTo(first)).toContain('robbed')
  expect(await stateOf(second)).toBe('held')
})

test('a holder that gives the chat up leaves it to others', async () => {
  await using profile = await openProfile()
  const [first, second] = [await openTab(profile.context), await openTab(profile.context)]
  await first.evaluate(async () => chat.close())
  await untilState(second, 'held')
  expect(await stateOf(first)).toBe('closed')
})
