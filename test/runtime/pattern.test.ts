import { describe, expect, test } from 'vitest'
import { patterns } from '../../runtime/pattern.ts'

const refusal = (work: () => unknown) => {
  try {
    work()
  } catch (error) {
    return error
  }
  throw new Error('it was not refused')
}

test('a pattern is found anywhere in a text unless it says where', () => {
  const pattern = patterns()
  expect(pattern('b+')('abbc')).toBe(true)
  expect(pattern('^b')('abbc')).toBe(false)
  expect(pattern('(?i)^ABB')('abbc')).toBe(true)
})

test.each(['(', 'a{1001}', '[z-a]', '*', '(?=a)', '\\1', 'a'.repeat(257), '((a{100}){100}){100}', 'a{513}', '((a{31}){31})'])(
  'pattern %s is refused',
  (source) => {
    expect(refusal(() => patterns()(source))).toMatchObject({ code: 'invalid_argument', message: expect.stringContaining(source) })
  },
)

test('patterns of one request share what they may cost', () => {
  const pattern = patterns()
  for (let count = 0; count < 4; count++) pattern('a'.repeat(60))
  expect(refusal(() => pattern('a'.repeat(60)))).toMatchObject({ code: 'invalid_argument' })
  const repeating = patterns()
  repeating('a{300}')
  expect(refusal(() => repeating('b{300}'))).toMatchObject({ code: 'invalid_argument' })
})

describe('hostile patterns', () => {
  // What a backtracking engine would need longer for than the universe is old: that the test ends is the proof.
  test.each(['^(a+)+$', '^(a|a)*$', '^(a|aa)+$', '(x+x+)+y', '^(.*)*$b', '([a-zA-Z]+)*1', '^(a?){60}a{60}$', '(.*a){20}b'])(
    '%s ends',
    (source) => {
      const look = patterns()(source)
      for (const text of ['a'.repeat(4096), `${'a'.repeat(4095)}!`, `${'x'.repeat(4096)}`]) look(text)
    },
  )

  test('are stopped when looking for them takes too long', () => {
    const look = patterns()('(?:[a-z.]*\\w.?){20}(?:.?){60}$')
    const text = 'é'.repeat(100) + 'a'.repeat(16_000)
    const stopped = refusal(() => {
      for (let count = 0; count < 100_000; count++) look(text)
    })
    expect(stopped).toMatchObject({ code: 'invalid_argument' })
  }, 60_000)

  test('are not looked for in a text without end', () => {
    expect(refusal(() => patterns()('a')('b'.repeat(20_000)))).toMatchObject({ code: 'invalid_argument' })
  })
})
