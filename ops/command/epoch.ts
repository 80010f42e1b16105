import { Failure } from '../../messages/grammar/index.ts'

export interface EpochOptions {
  readonly epoch?: string
}

/** What describes the option. */
export const epochHelp = 'latest time told, in seconds since 1970 or RFC 3339; $SOURCE_DATE_EPOCH if left out'

/** The part of a request that says what reproducible builds want: `--epoch`, else `SOURCE_DATE_EPOCH` of the environment. Fails with invalid_argument. */
export function epochOf({ epoch }: EpochOptions, environment: Readonly<Record<string, string | undefined>>): { epoch?: string } {
  const text = epoch ?? environment['SOURCE_DATE_EPOCH']
  if (text === undefined || text === '') return {}
  const time = /^\d{1,12}$/.test(text) ? Number(text) * 1000 : /^\d{4}-/.test(text) ? Date.parse(text) : Number.NaN
  // a year of four digits is all the format has room for
  if (!(time <= latest))
    throw new Failure('invalid_argument', `read time ${JSON.stringify(text)}: seconds since 1970, or RFC 3339, are wanted`)
  return { epoch: new Date(time).toISOString() }
}

const latest = Date.UTC(9999, 11, 31)
