import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { OutboxEntry, OutboxStore } from './chat-database.ts'
import { chatLimits } from './limits.ts'
import { Outbox } from './outbox.ts'
import type { SendAttempt } from './outbox.ts'

/** Rows that outlive an outbox, as the database's do. */
class MemoryStore implements OutboxStore {
  readonly rows = new Map<number, OutboxEntry>()
  failing = false
  #sequence = 0

  readonly all = () => Promise.resolve([...this.rows.values()])
  readonly add = (entry: Omit<OutboxEntry, 'sequence'>) => {
    if (this.failing) return Promise.reject(new Error('QuotaExceededError'))
    this.#sequence += 1
    const row = { ...entry, sequence: this.#sequence }
    this.rows.set(row.sequence, row)
    return Promise.resolve(row)
  }
  readonly replace = (entry: OutboxEntry) => {
    this.rows.set(entry.sequence, entry)
    return Promise.resolve()
  }
  readonly remove = (sequence: number) => {
    this.rows.delete(sequence)
    return Promise.resolve()
  }
}

/** A node that stores a message once for each transaction id, and whose answers may be lost. */
class FakeNode {
  readonly stored = new Map<string, string>()
  readonly calls: string[] = []
  readonly plan: ('ok' | 'answer-lost' | 'unreachable' | 'refuse')[] = []

  readonly send = (entry: OutboxEntry): Promise<SendAttempt> => {
    this.calls.push(entry.text)
    const what = this.plan.shift() ?? 'ok'
    if (what === 'unreachable') return Promise.resolve({ kind: 'unreachable' })
    if (what === 'refuse') return Promise.resolve({ kind: 'refused', reason: 'no' })
    if (!this.stored.has(entry.transactionId)) this.stored.set(entry.transactionId, entry.text)
    return Promise.resolve(what === 'answer-lost' ? { kind: 'unreachable' } : { kind: 'sent', eventId: `$${entry.transactionId}` })
  }
}

let transactionIds = 0

function outboxOn(store: OutboxStore, node: FakeNode): Outbox {
  return new Outbox({
    store,
    send: node.send,
    onSent: () => undefined,
    now: () => 1,
    newTransactionId: () => `t${(transactionIds += 1)}`,
    wait: () => Promise.resolve(),
  })
}

async function settled(): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, 0))
}

describe('the outbox', () => {
  test('stores a message before it is sent and removes it when the node has answered', async () => {
    const store = new MemoryStore()
    const node = new FakeNode()
    const outbox = outboxOn(store, node)
    expect(await outbox.put('!r', 'hello')).toEqual({ kind: 'stored' })
    await settled()
    expect([...node.stored.values()]).toEqual(['hello'])
    expect(store.rows.size).toBe(0)
    expect(outbox.items.get()).toMatchObject([{ entry: { text: 'hello' }, eventId: expect.any(String) }])
  })

  test('keeps the order of a room through failures', async () => {
    const node = new FakeNode()
    node.plan.push('unreachable', 'answer-lost', 'ok', 'unreachable')
    const outbox = outboxOn(new MemoryStore(), node)
    await Promise.all(['1', '2', '3'].map((text) => outbox.put('!r', text)))
    await settled()
    expect([...node.stored.values()]).toEqual(['1', '2', '3'])
  })

  test('a stuck room does not hold up another', async () => {
    const node = new FakeNode()
    const outbox = new Outbox({
      store: new MemoryStore(),
      send: (entry) => (entry.roomId === '!stuck' ? new Promise(() => undefined) : node.send(entry)),
      onSent: () => undefined,
      now: () => 1,
      newTransactionId: () => `t${(transactionIds += 1)}`,
      wait: () => Promise.resolve(),
    })
    await outbox.put('!stuck', 'a')
    await outbox.put('!r', 'b')
    await settled()
    expect([...node.stored.values()]).toEqual(['b'])
  })

  test('a refused message stays, is not sent again by itself, and starts over when asked', async () => {
    const store = new MemoryStore()
    const node = new FakeNode()
    node.plan.push('refuse')
    const outbox = outboxOn(store, node)
    await outbox.put('!r', 'first')
    await outbox.put('!r', 'second')
    await settled()
    expect([...node.stored.values()]).toEqual(['second'])
    const refused = outbox.items.get().find((item) => item.entry.failure !== undefined)
    expect([...store.rows.values()]).toMatchObject([{ text: 'first', failure: 'no' }])
    await outbox.retry(refused!.entry.transactionId)
    await settled()
    expect([...node.stored.values()]).toEqual(['second', 'first'])
    expect(store.rows.size).toBe(0)
  })

  test('a refused message can be dropped, one under way cannot', async () => {
    const store = new MemoryStore()
    const node = new FakeNode()
    node.plan.push('refuse')
    const outbox = outboxOn(store, node)
    await outbox.put('!r', 'first')
    await settled()
    await outbox.drop(outbox.items.get()[0]!.entry.transactionId)
    expect(store.rows.size).toBe(0)
    expect(outbox.items.get()).toEqual([])
    await outbox.put('!r', 'second')
    await outbox.drop(outbox.items.get()[0]!.entry.transactionId)
    expect(outbox.items.get()).toHaveLength(1)
  })

  test('says when it cannot take a message', async () => {
    const store = new MemoryStore()
    const outbox = outboxOn(store, new FakeNode())
    expect(await outbox.put('!r', 'x'.repeat(chatLimits.messageContentBytesMax))).toEqual({ kind: 'too-long' })
    store.failing = true
    expect(await outbox.put('!r', 'hello')).toEqual({ kind: 'storage-failed' })
    store.failing = false
    expect(await outbox.put('!r', 'hello')).toEqual({ kind: 'stored' })
  })

  test('stops without losing what is left', async () => {
    const store = new MemoryStore()
    const node = new FakeNode()
    node.plan.push(...Array.from({ length: 5 }, () => 'unreachable' as const))
    const outbox = outboxOn(store, node)
    const put = outbox.put('!r', 'hello')
    await outbox.stop()
    expect(await put).toEqual({ kind: 'stored' })
    await settled()
    expect(store.rows.size).toBe(1)
    expect(await outbox.put('!r', 'too late')).toEqual({ kind: 'stopped' })
    expect(store.rows.size).toBe(1)
  })

  test('through crashes and lost answers each message is stored once, and in order', async () => {
    const what = fc.constantFrom('ok', 'answer-lost', 'unreachable')
    await fc.assert(
      fc.asyncProperty(fc.array(what, { maxLength: 12 }), fc.integer({ min: 0, max: 6 }), async (plan, crashAfter) => {
        const store = new MemoryStore()
        const node = new FakeNode()
        node.plan.push(...(plan as typeof node.plan))
        const texts = ['1', '2', '3', '4']
        // The first life ends without any notice: its sends reach the node, its outbox learns no more.
        let sends = 0
        const first = new Outbox({
          store,
          send: (entry) => ((sends += 1) > crashAfter ? new Promise(() => undefined) : node.send(entry)),
          onSent: () => undefined,
          now: () => 1,
          newTransactionId: () => `t${(transactionIds += 1)}`,
          wait: () => Promise.resolve(),
        })
        for (const text of texts) await first.put('!r', text)
        await settled()
        const second = outboxOn(store, node)
        await second.load()
        second.start()
        await settled()
        expect([...node.stored.values()]).toEqual(texts)
        expect(store.rows.size).toBe(0)
      }),
    )
  })
})
