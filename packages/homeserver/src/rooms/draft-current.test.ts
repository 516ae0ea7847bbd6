import { type ServerName, type StateKey, stateKeyOf, type UserId } from '@kith/matrix-protocol'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { DraftCurrent } from './draft-current.ts'
import { IndexedState } from './room-state.ts'
import type { StoredEvent } from './stored-event.ts'

const users = ['@alice:here.test', '@bob:here.test', '@carol:there.test'] as UserId[]

function memberEvent(user: number, membership: string, eventId: string): readonly [StateKey, StoredEvent] {
  const pdu = { type: 'm.room.member', sender: users[user], state_key: users[user], content: { membership } }
  return [stateKeyOf('m.room.member', users[user]!), { eventId, pdu } as unknown as StoredEvent]
}

const move = fc.record({
  user: fc.nat(users.length - 1),
  membership: fc.constantFrom('join', 'leave', 'none'),
  arrives: fc.boolean(),
})

test('whose stay ends in a draft is known to its end, however the draft goes on, but for those of whom an event says so', () => {
  fc.assert(
    fc.property(fc.array(fc.constantFrom('join', 'leave'), { minLength: 3, maxLength: 3 }), fc.array(move), (before, moves) => {
      const draft = new DraftCurrent(IndexedState.of(before.map((membership, user) => memberEvent(user, membership, `$${user}`))))
      const inside = before.map((membership) => membership === 'join')
      const ended = new Set<UserId>()
      for (const [index, { user, membership, arrives }] of moves.entries()) {
        const [key, event] = memberEvent(user, membership, `$m${index}`)
        draft.move(new Map([[key, membership === 'none' ? undefined : event]]), arrives ? event : undefined, 'here.test' as ServerName)
        const isSaid = arrives && membership !== 'none'
        if (membership === 'join') ended.delete(users[user]!)
        else if (inside[user]! && !isSaid) ended.add(users[user]!)
        inside[user] = membership === 'join'
      }
      ended.delete('@carol:there.test' as UserId)
      expect(new Set(draft.endedStays)).toEqual(ended)
    }),
  )
})
