import { Failure } from '../messages/grammar/index.ts'
import { type Pattern, patterns } from './pattern.ts'

/** What is asked of: plain data. */
export type FilterEntry = Readonly<Record<string, unknown>>

/**
 * What `Filters` mean: an entry passes when it passes any of them, and all when there are none. Fails with invalid_argument, saying where.
 *
 *     filter    = condition *( "," condition )             all of them
 *     condition = field [ operator value ]                 without: the field is there
 *     field     = part *( "." part )                       labels."a.b", and labels.a.b as well
 *     part      = quoted / 1*( letter / digit / "_" / "-" / "/" )
 *     operator  = "==" / "!=" / "~=" / "!~" / "<" / "<=" / ">" / ">="
 *     value     = quoted / anything but a comma or quotes
 *     quoted    = as in JSON
 *
 * Blanks around any of these do not count. `!=` and `!~` pass what is not there, the others do not. Numbers are compared as numbers, times (RFC 3339) as
 * times, and where one side is neither nothing is less than the other.
 */
export function parseFilters(filters: readonly string[]): (entry: FilterEntry) => boolean {
  const pattern = patterns()
  const alternatives = filters.map((filter) => new Reader(filter, pattern).conditions())
  if (alternatives.length === 0) return () => true
  return (entry) => alternatives.some((conditions) => conditions.every((condition) => condition(entry)))
}

type Condition = (entry: FilterEntry) => boolean

/** One filter, read from left to right. */
class Reader {
  readonly #filter: string
  readonly #pattern: (source: string) => Pattern
  #at = 0

  constructor(filter: string, pattern: (source: string) => Pattern) {
    this.#filter = filter
    this.#pattern = pattern
  }

  conditions(): Condition[] {
    const conditions = [this.#condition()]
    while (this.#take(/,/y) !== undefined) conditions.push(this.#condition())
    if (this.#at < this.#filter.length) throw this.#wrong('a comma or the end')
    return conditions
  }

  #condition(): Condition {
    const field = this.#field()
    const operator = this.#take(/==|!=|~=|!~|<=|>=|<|>/y)
    if (operator === undefined) return (entry) => lookUp(entry, field) !== undefined
    const at = this.#at
    const value = this.#take(/"/y, false) === undefined ? this.#take(/[^,"]*[^,"\s]/y) : this.#quoted()
    if (value === undefined) throw this.#wrong('a value, in quotes if it is empty or has quotes or a comma in it')
    const test = this.#test(operator, value, at)
    return (entry) => test(lookUp(entry, field))
  }

  #field(): string[] {
    const parts = [this.#part()]
    while (this.#take(/\./y) !== undefined) parts.push(this.#part())
    return parts
  }

  #part(): string {
    const part = this.#take(/"/y, false) === undefined ? this.#take(/[\w/-]+/y) : this.#quoted()
    if (part === undefined) throw this.#wrong('a field')
    return part
  }

  #quoted(): string {
    const at = this.#at
    const quoted = this.#take(/"(?:[^"\\]|\\.)*"/y)
    try {
      if (quoted !== undefined) return JSON.parse(quoted)
    } catch {
      // said below
    }
    this.#at = at
    throw this.#wrong('a string quoted as in JSON')
  }

  #test(operator: string, value: string, at: number): (found: unknown) => boolean {
    const matches = operator === '~=' || operator === '!~' ? this.#pattern(value) : undefined
    if (matches)
      return operator === '~=' ? (found) => isText(found) && matches(`${found}`) : (found) => !isText(found) || !matches(`${found}`)
    if (operator === '==') return (found) => equals(found, value)
    if (operator === '!=') return (found) => !equals(found, value)
    if (Number.isNaN(numberOf(value)) && Number.isNaN(timeOf(value))) {
      this.#at = at
      throw this.#wrong('a number or a time')
    }
    return (found) => compares(operator, order(found, value))
  }

  /** The next token, and blanks after it; undefined when something else comes next. */
  #take(token: RegExp, consume = true): string | undefined {
    this.#blanks()
    token.lastIndex = this.#at
    const [taken] = token.exec(this.#filter) ?? []
    if (taken === undefined || !consume) return taken
    this.#at += taken.length
    this.#blanks()
    return taken
  }

  #blanks(): void {
    while (this.#filter[this.#at]?.trim() === '') this.#at++
  }

  #wrong(expected: string): Failure {
    const rest = this.#filter.slice(this.#at, this.#at + 20)
    const found = rest === '' ? 'it ends' : `there is ${JSON.stringify(rest)}`
    return new Failure('invalid_argument', `read filter ${JSON.stringify(this.#filter)}: ${expected} must come at ${this.#at}, ${found}`, {
      details: { at: this.#at },
    })
  }
}

/** Own fields only. A name with dots in it is found with and without quotes. Nothing in it is as good as not there. */
function lookUp(entry: FilterEntry, [first, ...rest]: readonly string[]): unknown {
  if (first === undefined) return entry
  const whole = [first, ...rest].join('.')
  if (Object.hasOwn(entry, whole)) return entry[whole] ?? undefined
  const inner = Object.hasOwn(entry, first) ? entry[first] : undefined
  return typeof inner === 'object' && inner !== null && rest.length > 0 ? lookUp(inner as FilterEntry, rest) : undefined
}

const isText = (value: unknown): value is string | number | boolean => ['string', 'number', 'boolean'].includes(typeof value)

const equals = (found: unknown, value: string): boolean =>
  typeof found === 'number' ? found === numberOf(value) : isText(found) && `${found}` === value

/** Less than, equal to or more than zero; NaN when the two are not to be compared. */
function order(found: unknown, value: string): number {
  if (typeof found === 'number') return found - numberOf(value)
  return typeof found === 'string' ? timeOf(found) - timeOf(value) : Number.NaN
}

function compares(operator: string, difference: number): boolean {
  if (operator === '<') return difference < 0
  if (operator === '<=') return difference <= 0
  return operator === '>' ? difference > 0 : difference >= 0
}

const numberOf = (text: string): number => (/^[+-]?\d+(\.\d+)?(e[+-]?\d+)?$/i.test(text) ? Number(text) : Number.NaN)

const timeOf = (text: string): number =>
  /^\d{4}-\d\d-\d\d(T\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d))?$/.test(text) ? Date.parse(text) : Number.NaN
