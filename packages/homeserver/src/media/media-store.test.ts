import { makeUserId, type ServerName } from '@kith/matrix-protocol'
import { MemoryDisk, openMemoryStorage } from '@kith/storage/memory'
import { SimulatedWorld } from '@kith/testkit/simulated-world'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { limits } from '../limits.ts'
import { MediaStore } from './media-store.ts'
import { mediaTables, type MediaKey } from './tables.ts'

const never = new AbortController().signal
const { mediaChunkBytes, mediaFileBytesMax, mediaPendingLifetimeMs, mediaPendingPerUserMax, remoteMediaBytesMax } = limits.implementation
const png = { contentType: 'image/png' }
const other = 'other.example' as ServerName

function setting() {
  const world = new SimulatedWorld(1)
  const { server } = world.createIdentity()
  const disk = new MemoryDisk()
  let fault: (() => void) | undefined
  const faultPoint = (operation: 'write' | 'commit'): void => {
    if (operation === 'commit') fault?.()
  }
  const storage = openMemoryStorage({ disk, faultPoint })
  return {
    world,
    storage,
    alice: makeUserId('alice', server),
    bob: makeUserId('bob', server),
    server,
    open: async () => MediaStore.open({ storage, clock: world.clock, random: world.random }, server),
    failFrom: (next: (() => void) | undefined) => (fault = next),
    rows: async () =>
      (await storage.range(mediaTables.chunks, { limit: 100_000 })).length +
      (await storage.range(mediaTables.writing, { limit: 10 })).length,
  }
}

function pattern(size: number): Uint8Array<ArrayBuffer> {
  return Uint8Array.from({ length: size }, (_, index) => (index * 31 + (index >> 8)) & 0xff)
}

function streamOf(bytes: Uint8Array, pieceBytes = 100_000): ReadableStream<Uint8Array> {
  let at = 0
  return new ReadableStream({
    pull(controller) {
      if (at >= bytes.byteLength) return controller.close()
      controller.enqueue(bytes.slice(at, at + pieceBytes))
      at += pieceBytes
    },
  })
}

/** A stream of that many bytes that never lie in memory together. */
function longStream(size: number): ReadableStream<Uint8Array> {
  let left = size
  return new ReadableStream({
    pull(controller) {
      if (left <= 0) return controller.close()
      controller.enqueue(new Uint8Array(Math.min(left, mediaChunkBytes)))
      left -= mediaChunkBytes
    },
  })
}

async function bytesOf(stream: ReadableStream<Uint8Array<ArrayBuffer>>): Promise<Uint8Array> {
  return new Uint8Array(await new Response(stream).arrayBuffer())
}

describe('files of this server', () => {
  test('come back as they were, whatever the sizes of the pieces', async () => {
    const { open, alice } = setting()
    const store = await open()
    const sizes = fc.oneof(
      fc.integer({ min: 0, max: 2_000 }),
      fc.constantFrom(-1, 0, 1).map((change) => 2 * mediaChunkBytes + change),
    )
    await fc.assert(
      fc.asyncProperty(sizes, fc.integer({ min: 500, max: 400_000 }), async (size, pieceBytes) => {
        const bytes = pattern(size)
        const outcome = await store.upload(alice, png, streamOf(bytes, pieceBytes), never)
        if (outcome.kind !== 'stored') throw new Error(outcome.kind)
        expect(outcome.media.size).toBe(size)
        expect(await bytesOf(store.read(outcome.media))).toEqual(bytes)
      }),
      { numRuns: 30 },
    )
  })

  test('are refused when larger than a file may be, and leave nothing behind', async () => {
    const { open, alice, rows } = setting()
    const store = await open()
    expect((await store.upload(alice, png, longStream(mediaFileBytesMax + 1), never)).kind).toBe('too-large')
    expect(await rows()).toBe(0)
  })

  test('that break off, are given up or meet a broken disk leave nothing behind, at the latest after the next start', async () => {
    const { open, alice, rows, failFrom } = setting()
    const store = await open()
    const broken = new ReadableStream<Uint8Array>({
      pull: (controller) => controller.enqueue(new Uint8Array(mediaChunkBytes)),
    }).pipeThrough(
      new TransformStream<Uint8Array, Uint8Array>({
        transform(chunk, controller) {
          controller.enqueue(chunk)
          if (++count > 3) controller.error(new Error('the client is gone'))
        },
      }),
    )
    let count = 0
    await expect(store.upload(alice, png, broken, never)).rejects.toThrow('the client is gone')
    expect(await rows()).toBe(0)

    const abort = new AbortController()
    const endless = new ReadableStream<Uint8Array>({
      pull(controller) {
        controller.enqueue(new Uint8Array(mediaChunkBytes))
        if (++count > 8) abort.abort(new Error('enough'))
      },
    })
    await expect(store.upload(alice, png, endless, abort.signal)).rejects.toThrow('enough')
    expect(await rows()).toBe(0)

    for (let commitsLeft = 0; commitsLeft < 5; commitsLeft++) {
      let left = commitsLeft
      failFrom(() => {
        if (left-- <= 0) throw new Error('the process is dead')
      })
      await expect(store.upload(alice, png, longStream(3 * mediaChunkBytes), never)).rejects.toThrow('dead')
      failFrom(undefined)
      await open()
      expect(await rows()).toBe(0)
    }
    expect((await store.upload(alice, png, longStream(1), never)).kind).toBe('stored')
  })

  test('an id may be given out before its file, for a while, to one user', async () => {
    const { open, alice, bob, world } = setting()
    const store = await open()
    const created = await store.create(alice)
    if (created.kind !== 'created') throw new Error(created.kind)
    const { mediaId } = created
    expect((await store.fill(bob, mediaId, png, longStream(1), never)).kind).toBe('of-another')
    expect((await store.fill(alice, 'nonsense', png, longStream(1), never)).kind).toBe('unknown')
    const waiting = store.find(mediaId, 20_000, never)
    const filled = [store.fill(alice, mediaId, png, longStream(5), never), store.fill(alice, mediaId, png, longStream(6), never)]
    expect((await Promise.all(filled)).map(({ kind }) => kind).toSorted()).toEqual(['filled-already', 'stored'])
    expect((await waiting).kind).toBe('found')
    expect((await store.fill(alice, mediaId, png, longStream(1), never)).kind).toBe('filled-already')

    const late = await store.create(alice)
    if (late.kind !== 'created') throw new Error(late.kind)
    expect((await world.finish(store.find(late.mediaId, 5_000, never))).kind).toBe('not-yet')
    await world.run(mediaPendingLifetimeMs)
    expect((await store.fill(alice, late.mediaId, png, longStream(1), never)).kind).toBe('unknown')
    expect((await store.find(late.mediaId, 5_000, never)).kind).toBe('unknown')
  })

  test('so many ids wait for files, and no more', async () => {
    const { open, alice, bob, world } = setting()
    const store = await open()
    for (let count = 0; count < mediaPendingPerUserMax; count++) expect((await store.create(alice)).kind).toBe('created')
    expect((await store.create(alice)).kind).toBe('too-many')
    expect((await store.create(bob)).kind).toBe('created')
    await world.run(mediaPendingLifetimeMs)
    expect((await store.create(alice)).kind).toBe('created')
  })
})

describe('files of other servers', () => {
  const key = (name: string): MediaKey => [other, name, '']

  test('can be read while they come', async () => {
    const { open } = setting()
    const store = await open()
    const gate = new TransformStream<Uint8Array, Uint8Array>()
    const writer = gate.writable.getWriter()
    const { file, stored } = store.cache.put(key('a'), png, gate.readable, never)
    const reader = file.body().getReader()
    void writer.write(pattern(mediaChunkBytes))
    expect((await reader.read()).value).toEqual(pattern(mediaChunkBytes))
    const rest = reader.read()
    void writer.write(pattern(10))
    void writer.close()
    expect((await rest).value).toEqual(pattern(10))
    expect((await reader.read()).done).toBe(true)
    expect(await stored).toBe('stored')
    expect((await store.cache.get(key('a')))?.size).toBe(mediaChunkBytes + 10)
  })

  test('that do not become whole fail for whoever reads them, and are not kept', async () => {
    const { open, rows } = setting()
    const store = await open()
    const { file, stored } = store.cache.put(key('a'), png, longStream(mediaFileBytesMax + 1), never)
    const read = bytesOf(file.body())
    read.catch(() => undefined)
    expect(await stored).toBe('refused')
    await expect(read).rejects.toThrow('did not come whole')
    expect(await store.cache.get(key('a'))).toBeUndefined()
    expect(await rows()).toBe(0)
  })

  test('make room for each other, the longest unwanted first, but for those that are read', async () => {
    const { open, world, storage } = setting()
    const store = await open()
    const count = Math.floor(remoteMediaBytesMax / mediaFileBytesMax)
    const put = async (name: string) => store.cache.put(key(name), png, longStream(mediaFileBytesMax), never).stored
    for (let index = 0; index < count; index++) {
      expect(await put(`file${index}`)).toBe('stored')
      await world.run(1_000)
    }
    await world.run(2 * 3_600_000)
    const wanted = await store.cache.get(key('file0'))
    const reader = (await store.cache.get(key('file1')))?.body().getReader()
    expect(await put('new')).toBe('stored')
    expect(wanted).toBeDefined()
    expect(await store.cache.get(key('file0'))).toBeDefined()
    expect(await store.cache.get(key('file1'))).toBeDefined()
    expect(await store.cache.get(key('file2'))).toBeUndefined()
    expect((await storage.get(mediaTables.usage, ['remote']))?.files).toBe(count)
    await reader?.cancel()
  }, 60_000)
})
