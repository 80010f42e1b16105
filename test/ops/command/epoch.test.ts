import { expect, test } from 'vitest'
import { epochOf } from '../../../ops/command/epoch.ts'

const second = '1970-01-01T00:00:01.000Z'

test('the option goes before the environment, in either spelling', () => {
  expect(epochOf({}, {})).toEqual({})
  expect(epochOf({}, { SOURCE_DATE_EPOCH: '' })).toEqual({})
  expect(epochOf({}, { SOURCE_DATE_EPOCH: '1' })).toEqual({ epoch: second })
  expect(epochOf({ epoch: '1' }, { SOURCE_DATE_EPOCH: '2' })).toEqual({ epoch: second })
  expect(epochOf({ epoch: '1970-01-01T01:00:01+01:00' }, {})).toEqual({ epoch: second })
})

test.each(['noon', '-1', '1.5', '999999999999', '2020-13-01'])('%j is no time', (epoch) => {
  expect(() => epochOf({ epoch }, {})).toThrow(expect.objectContaining({ code: 'invalid_argument' }))
})
