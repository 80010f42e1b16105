import { expect, test } from 'vitest'
import { tellIngest } from '../../../actors/swarm/telling.ts'
import { Failure } from '../../../messages/grammar/index.ts'

test('that ingest counts more already is as good as told', async () => {
  const { failures, telling } = told(new Failure('out_of_range', '9 bytes are there', { details: { offset: 9 } }))
  telling.reached(8)
  await telling.settle()
  expect(failures).toEqual([])
})

test('that ingest counts less than was written is a failure, and so is that it is gone', async () => {
  for (const why of [new Failure('out_of_range', 'its file has 7 bytes', { details: { offset: 7 } }), new Failure('not_found', 'gone')]) {
    const { failures, telling } = told(why)
    telling.reached(8)
    await telling.settle()
    expect(failures).toMatchObject([{ code: 'failed_precondition' }])
  }
})

function told(why: Failure) {
  const failures: Failure[] = []
  const ingest = { advance: (() => Promise.reject(why)) as never }
  return { failures, telling: tellIngest({ ingest, failed: (failure) => failures.push(failure) }, { token: 't', offset: 0 }) }
}
