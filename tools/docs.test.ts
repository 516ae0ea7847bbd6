import { existsSync, globSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { expect, test } from 'vitest'

const root = resolve(import.meta.dirname, '..')
const documents = ['README.md', ...globSync('docs/**/*.md', { cwd: root })]
const { scripts } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { readonly scripts: Record<string, string> }

test.each(documents)('%s names files that exist', (document) => {
  const text = readFileSync(join(root, document), 'utf8')
  const paths = [...text.matchAll(/`((?:packages|apps|e2e|bench|tools|docs|\.ci)\/[\w./-]+)`/g)].map(([, path]) => path ?? '')
  expect(paths.filter((path) => !existsSync(join(root, path)))).toEqual([])
})

test.each(documents)('%s links to files that exist', (document) => {
  const text = readFileSync(join(root, document), 'utf8')
  const targets = [...text.matchAll(/\]\((?!https?:)([^)#]+)/g)].map(([, target]) => target ?? '')
  expect(targets.filter((target) => !existsSync(resolve(root, document, '..', target)))).toEqual([])
})

test('the commands of the README exist', () => {
  const text = readFileSync(join(root, 'README.md'), 'utf8')
  const named = [...text.matchAll(/npm (?:run )?([\w:]+)/g)]
    .map(([, name]) => name ?? '')
    .filter((name) => !['install', 'itself', 'and'].includes(name))
  expect(named.length).toBeGreaterThan(5)
  expect(named.filter((name) => !(name in scripts) && !/^\d/.test(name))).toEqual([])
})
