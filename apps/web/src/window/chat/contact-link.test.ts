import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { contactFrom, makeContactLink, parseContactLink } from './contact-link.ts'
import { chatLimits } from './limits.ts'

const server = 'k51qzi5uqu5dgutdk6i1ynyzgkqngpha5xpgia3a5qqp4jsh0u4csozksxel2r'
const userId = `@ada:${server}`
const relayList = { server, relays: [{ server: 'k51relay', addresses: ['/ip4/127.0.0.1/tcp/1/p2p/12D3'] }], signatures: {} }

describe('invite links', () => {
  test('carry a contact from one page to another', () => {
    const link = makeContactLink('https://kith.example', { user_id: userId, display_name: 'Ada Łovelace 🌻', relay_list: relayList })
    expect(link.startsWith('https://kith.example/#/contact/')).toBe(true)
    expect(parseContactLink(link)).toEqual({
      kind: 'contact',
      contact: { userId, serverName: server, displayName: 'Ada Łovelace 🌻', relayList },
    })
  })

  test('are found in a text that was pasted with them', () => {
    const link = makeContactLink('http://localhost:4180', { user_id: userId, display_name: 'Ada', relay_list: relayList })
    expect(parseContactLink(`Write me: ${link} — see you`)).toMatchObject({ kind: 'contact' })
    expect(parseContactLink(link.slice(link.indexOf('#')))).toMatchObject({ kind: 'contact' })
  })

  test('without a name show the user’s', () => {
    expect(contactFrom({ user_id: userId, display_name: '\u202e \u200b' })).toMatchObject({ contact: { displayName: 'ada' } })
  })

  test('are not found in other texts', () => {
    expect(parseContactLink('https://kith.example/#/room/x')).toEqual({ kind: 'not-a-link' })
  })

  test.each([
    ['nothing', ''],
    ['no base64', '!!!'],
    ['no JSON', btoa('{"user_id"')],
    ['no object', btoa('[]')],
    ['no user id', btoa('{"user_id":"ada"}')],
    ['a relay list of somebody else', btoa(JSON.stringify({ user_id: userId, relay_list: { server: 'k51other' } }))],
    ['a relay list that is none', btoa(JSON.stringify({ user_id: userId, relay_list: 'x' }))],
    ['too much', 'A'.repeat(chatLimits.contactLinkCharactersMax + 1)],
  ])('with %s are refused', (_what, payload) => {
    expect(parseContactLink(`#/contact/${payload.replaceAll('=', '')}`).kind).toBe('invalid')
  })

  test('never make the page throw', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.json(), fc.base64String()), (text) => {
        expect(['contact', 'invalid', 'not-a-link']).toContain(parseContactLink(`#/contact/${text}`).kind)
        expect(['contact', 'invalid', 'not-a-link']).toContain(parseContactLink(text).kind)
      }),
    )
  })
})
