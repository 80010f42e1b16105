import { printable } from '../command/printable.ts'

/** Most lines that are said of it. */
const most = 20

/** Say on standard error what of layers this user or file system could not have; nothing if that is nothing. */
export function sayNotKept(program: string, notKept: readonly string[]): void {
  const distinct = [...new Set(notKept)]
  for (const what of distinct.slice(0, most)) process.stderr.write(`${program}: not kept: ${printable(what)}\n`)
  if (distinct.length > most) process.stderr.write(`${program}: not kept: more of the like\n`)
}
