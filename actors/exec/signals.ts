import { constants } from 'node:os'
import { Failure } from '../../messages/grammar/index.ts'

const numbers: Readonly<Record<string, number>> = constants.signals

/** The number of a signal, given by name, with or without SIG, in any case, or by number, 1 to 64. Fails with invalid_argument. */
export function signalNumber(text: string): number {
  const name = text.toUpperCase().replace(/^SIG/, '')
  const number = /^[0-9]{1,2}$/.test(name) ? Number(name) : (numbers[`SIG${name}`] ?? realTime(name))
  if (number === undefined || number < 1 || number > 64)
    throw new Failure('invalid_argument', `send signal ${JSON.stringify(text)}: there is none of that name or number`)
  return number
}

/** `RTMIN+n` and `RTMAX-n`, as glibc counts them. */
function realTime(name: string): number | undefined {
  const [, base, sign, offset = '0'] = /^(RTMIN|RTMAX)(?:([+-])([0-9]{1,2}))?$/.exec(name) ?? []
  if (base === undefined) return undefined
  return (base === 'RTMIN' ? 34 : 64) + Number(offset) * (sign === '-' ? -1 : 1)
}
