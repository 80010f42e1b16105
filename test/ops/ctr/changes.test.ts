import { expect, test } from 'vitest'
import { changesOf } from '../../../ops/ctr/changes.ts'

test('instructions of a Dockerfile are changes to a config', () => {
  expect(changesOf([])).toEqual({})
  expect(
    changesOf([
      'CMD ["a", "b c"]',
      'entrypoint run it',
      'ENV A=1',
      'ENV B two words',
      'LABEL k="v w"',
      'LABEL l=x=y',
      'USER 7:8',
      'WORKDIR /w',
    ]),
  ).toEqual({
    config: {
      Cmd: ['a', 'b c'],
      Entrypoint: ['/bin/sh', '-c', 'run it'],
      Env: ['A=1', 'B=two words'],
      Labels: { k: 'v w', l: 'x=y' },
      User: '7:8',
      WorkingDir: '/w',
    },
  })
})

test.each(['RUN x', 'CMD', '', 'ENV A', 'LABEL =x'])('%j is refused', (instruction) => {
  expect(() => changesOf([instruction])).toThrow(expect.objectContaining({ code: 'invalid_argument' }))
})
