import type { Write } from '@kith/homeserver/ports'
import { expect, test } from 'vitest'
import { GroupCommit, type PendingCommit } from './group-commit.ts'

function writesNamed(name: string): readonly Write[] {
  return [{ kind: 'delete', table: name, key: [] }]
}

/** An engine that remembers the groups it was given. */
class GroupsWritten {
  readonly groups: string[][] = []

  readonly writeGroup = async (group: readonly PendingCommit[]): Promise<void> => {
    this.groups.push(group.map(({ writes }) => writes[0]?.table ?? ''))
    for (const commit of group) commit.resolve()
  }
}

test('commits that come while a turn is waited for join the group, in their order', async () => {
  const { groups, writeGroup } = new GroupsWritten()
  const coming = ['second', 'third']
  const late: Promise<void>[] = []
  const nextTurn = async (): Promise<void> => {
    const name = coming.shift()
    if (name !== undefined) late.push(commits.commit(writesNamed(name)))
  }
  const commits = new GroupCommit({ writeGroup, groupMax: 100, nextTurn })
  await commits.commit(writesNamed('first'))
  await Promise.all(late)
  expect(groups).toEqual([['first', 'second', 'third']])
})

test('one that waits is not kept waiting by a stream of others that never pauses', async () => {
  const { groups, writeGroup } = new GroupsWritten()
  let streamed = 0
  let ended = false
  const nextTurn = async (): Promise<void> => {
    if (!ended) void commits.commit(writesNamed(`streamed ${streamed++}`))
  }
  const commits = new GroupCommit({ writeGroup, groupMax: 1_000, nextTurn })
  await commits.commit(writesNamed('first'))
  ended = true
  expect(groups[0]?.[0]).toBe('first')
  await commits.close(new Error('closed'))
})

test('a group that is full after a turn, or that a turn brings nothing to, waits no longer, and what does not fit comes next', async () => {
  const { groups, writeGroup } = new GroupsWritten()
  let turns = 0
  const nextTurn = async (): Promise<void> => {
    turns += 1
  }
  const commits = new GroupCommit({ writeGroup, groupMax: 2, nextTurn })
  await Promise.all(['a', 'b', 'c'].map(async (name) => commits.commit(writesNamed(name))))
  expect(groups).toEqual([['a', 'b'], ['c']])
  expect(turns).toBe(2)
})

test('an engine that holds nothing up is given what is there at once', async () => {
  const { groups, writeGroup } = new GroupsWritten()
  const commits = new GroupCommit({ writeGroup, groupMax: 100 })
  await Promise.all(['a', 'b'].map(async (name) => commits.commit(writesNamed(name))))
  expect(groups).toEqual([['a', 'b']])
})
