/** Regular expressions of anybody who can ask. The one door to their engine, which takes time in proportion to pattern and text whatever the pattern (RE2). */
import { createRequire } from 'node:module'
import type { RE2JS } from 're2js'
import { Failure } from '../messages/grammar/index.ts'

/** Whether it is found anywhere in a text. */
export type Pattern = (text: string) => boolean

/** All patterns of one request together: characters; steps of their programs; ms spent on looking. And the characters of one text: with the steps it bounds a single look. */
const most = { characters: 256, steps: 512, text: 16_384, ms: 1_000 }

/**
 * Patterns that together cost no more than a thread can spare, in the syntax of RE2. Reading one, and looking, fail with invalid_argument, of one that is malformed or when it
 * would be more.
 */
export function patterns(): (source: string) => Pattern {
  let characters = 0
  let steps = 0
  let spent = 0
  return (source) => {
    const attempted = `read pattern ${JSON.stringify(source)}`
    characters += source.length
    if (characters > most.characters) throw excessive(attempted, `patterns of more than ${most.characters} characters in one request`)
    const program = compile(source, attempted)
    steps += program.programSize()
    if (steps > most.steps) throw excessive(attempted, `repetitions that come to more than ${most.steps} steps in one request`)
    return (text) => {
      if (text.length > most.text || spent > most.ms)
        throw excessive(`look for pattern ${JSON.stringify(source)}`, 'it takes too long; ask for less, or with a simpler one')
      const begun = performance.now()
      const found = program.test(text)
      spent += performance.now() - begun
      return found
    }
  }
}

/** Loaded when it is first needed: few lists are asked for by a pattern, and a node that starts has better things to do. */
let engine: typeof import('re2js') | undefined
const load = (): typeof import('re2js') => createRequire(import.meta.url)('re2js')

function compile(source: string, attempted: string): RE2JS {
  engine ??= load()
  try {
    return engine.RE2JS.compile(source)
  } catch (error) {
    const why = error instanceof Error ? error.message.replace(/^error parsing regexp: /, '') : String(error)
    throw new Failure('invalid_argument', `${attempted}: ${why}`, { cause: error })
  }
}

const excessive = (attempted: string, why: string): Failure => new Failure('invalid_argument', `${attempted}: ${why}`)
