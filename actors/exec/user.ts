import { Failure } from '../../messages/grammar/index.ts'

/** Who a container runs as, in numbers. */
export interface User {
  readonly uid: number
  readonly gid: number
  /** supplementary groups, the primary among them */
  readonly groups: readonly number[]
  readonly home: string
}

/** The two files of an image that know names; empty text when it has none. */
export interface Accounts {
  readonly passwd: string
  readonly group: string
}

/**
 * Look up `user`, `uid`, `user:group`, `uid:gid` or any mix. A number nobody is listed under is taken as it is; a name nobody has is invalid_argument.
 * A group given takes the place of all the user's own. Numbers are 0 to 2^31-1: beyond, the kernel or the runtime may take them for others.
 */
export function resolveUser(text: string, accounts: Accounts): User {
  const [who = '', ofGroup, more] = text.split(':')
  if (more !== undefined) throw refusal(text, 'more than one colon')
  const account = findAccount(who === '' ? '0' : who, accounts, text)
  if (ofGroup !== undefined && ofGroup !== '') {
    const gid = findGroup(ofGroup, accounts, text)
    return { uid: account.uid, gid, groups: [gid], home: account.home }
  }
  const gid = account.gid
  return { uid: account.uid, gid, groups: [...new Set([gid, ...memberships(account.name, accounts)])], home: account.home }
}

interface Account {
  readonly name: string | undefined
  readonly uid: number
  readonly gid: number
  readonly home: string
}

function findAccount(who: string, { passwd }: Accounts, text: string): Account {
  const number = /^[0-9]+$/.test(who) ? identifier(who, text) : undefined
  // A name comes first: an account may be called by digits.
  const lines = records(passwd)
  const found = lines.find(([name]) => name === who) ?? lines.find(([, , uid]) => number !== undefined && uid === String(number))
  if (found !== undefined) {
    const [name, , uid = '', gid = '', , home] = found
    return { name, uid: identifier(uid, text), gid: identifier(gid, text), home: home || '/' }
  }
  if (number === undefined) throw refusal(text, `the image has no user ${JSON.stringify(who)}`)
  return { name: undefined, uid: number, gid: 0, home: '/' }
}

function findGroup(which: string, { group }: Accounts, text: string): number {
  const found = records(group).find(([name]) => name === which)
  if (found !== undefined) return identifier(found[2] ?? '', text)
  if (/^[0-9]+$/.test(which)) return identifier(which, text)
  throw refusal(text, `the image has no group ${JSON.stringify(which)}`)
}

/** Groups that name the user as a member; ones with a number that is none are passed over. */
function memberships(name: string | undefined, { group }: Accounts): number[] {
  if (name === undefined) return []
  return records(group)
    .filter(([, , gid = '', members = '']) => members.split(',').includes(name) && isIdentifier(gid))
    .map(([, , gid]) => Number(gid))
}

/** Lines of colon-separated fields; comments and blank ones left out. */
const records = (text: string): string[][] =>
  text
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '' && !line.startsWith('#'))
    .map((line) => line.split(':'))

const isIdentifier = (digits: string): boolean => /^[0-9]{1,10}$/.test(digits) && Number(digits) <= 2 ** 31 - 1

function identifier(digits: string, text: string): number {
  if (!isIdentifier(digits)) throw refusal(text, `${JSON.stringify(digits)} is not a number from 0 to 2147483647`)
  return Number(digits)
}

const refusal = (text: string, why: string) => new Failure('invalid_argument', `run as user ${JSON.stringify(text)}: ${why}`)
