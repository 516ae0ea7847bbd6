import { describe, expect, test } from 'vitest'
import { readJsonBody } from './read-body.ts'

const read = async (body: string): Promise<unknown> => readJsonBody(new Request('http://node.test/', { method: 'POST', body }), 10_000)

describe('the numbers of a body', () => {
  test.each(['1e400', '-1e400', '[{"a":1E+309}]', '9'.repeat(400), `${'9'.repeat(220)}e99`])('%s is larger than any', async (text) => {
    await expect(read(text)).rejects.toMatchObject({ status: 400, errcode: 'M_BAD_JSON' })
  })

  test.each(['1e99', '1e-400', '0.1', '"1e400"', `"${'9'.repeat(400)}"`, '{"e400":[null,1e300]}', `${'9'.repeat(199)}e99`])(
    '%s is read',
    async (text) => {
      expect(await read(text)).toEqual(JSON.parse(text))
    },
  )
})
