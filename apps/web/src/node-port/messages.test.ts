import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { nodePortLimits } from './limits.ts'
import { parseMessageFromNode, parseMessageToNode } from './messages.ts'

const request = { method: 'PUT', url: 'http://kith.test/_matrix', headers: [['accept', '*/*']], body: new ArrayBuffer(3) }

describe('messages to the node', () => {
  test('well-formed ones are read as they are', () => {
    expect(parseMessageToNode({ kind: 'request', id: 1, request })).toEqual({ kind: 'request', id: 1, request })
    expect(parseMessageToNode({ kind: 'cancel', id: 1 })).toEqual({ kind: 'cancel', id: 1 })
    expect(parseMessageToNode({ kind: 'ping', more: 1 })).toEqual({ kind: 'ping' })
  })

  test.each([
    ['a negative id', { kind: 'request', id: -1, request }],
    ['no method', { kind: 'request', id: 1, request: { ...request, method: undefined } }],
    ['a header without a value', { kind: 'request', id: 1, request: { ...request, headers: [['accept']] } }],
    ['headers of a megabyte', { kind: 'request', id: 1, request: { ...request, headers: [['a', 'b'.repeat(1_000_000)]] } }],
    ['a URL that is too long', { kind: 'request', id: 1, request: { ...request, url: 'a'.repeat(nodePortLimits.urlLengthMax + 1) } }],
    ['a body that is no buffer', { kind: 'request', id: 1, request: { ...request, body: 'text' } }],
    ['an unknown kind', { kind: 'stop' }],
  ])('%s makes one unreadable', (_, data) => {
    expect(parseMessageToNode(data)).toBeUndefined()
  })
})

describe('messages from the node', () => {
  test('well-formed ones are read as they are', () => {
    const response = { status: 200, headers: [], body: undefined }
    expect(parseMessageFromNode({ kind: 'response', id: 1, response })).toEqual({ kind: 'response', id: 1, response })
    const state = { kind: 'failed', message: 'a', whatToDo: 'b' }
    expect(parseMessageFromNode({ kind: 'state', state })).toEqual({ kind: 'state', state })
  })

  test.each([
    ['a status that is none', { kind: 'response', id: 1, response: { status: 99, headers: [] } }],
    ['an unknown step', { kind: 'state', state: { kind: 'starting', step: 'dancing' } }],
  ])('%s makes one unreadable', (_, data) => {
    expect(parseMessageFromNode(data)).toBeUndefined()
  })
})

test('nothing makes reading throw', () => {
  fc.assert(
    fc.property(fc.anything(), fc.constantFrom('request', 'response', 'state', 'cancel', undefined), (value, kind) => {
      for (const data of [value, { kind, id: 1, request: value, response: value, state: value }]) {
        parseMessageToNode(data)
        parseMessageFromNode(data)
      }
    }),
  )
})
