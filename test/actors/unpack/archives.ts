/** Archives nobody thought of: entries with any names, in any order, over and through each other; and damage to them. */
import fc from 'fast-check'
import * as tar from '../../support/layers.ts'

/** Few, so that entries meet. */
const part = fc.constantFrom('a', 'b', 'c')
const plain = fc.array(part, { minLength: 1, maxLength: 3 }).map((parts) => parts.join('/'))

/** Names that stay where they say, whoever reads them. */
export const honestNames = fc.oneof(
  { weight: 12, arbitrary: plain },
  plain.map((path) => `/${path}`),
  plain.map((path) => `./${path}`),
  plain.map((path) => `../../${path}`),
  plain.map((path) => `${path}//b`),
  plain.map((path) => `${path}/\xff\xfe`),
  plain.map((path) => `${path}/${'long'.repeat(40)}`),
)

/** Names that lead out if they can. */
export const hostileNames = fc.oneof(
  { weight: 6, arbitrary: honestNames },
  plain.map((path) => `${path}/../../${path}`),
  plain.map((path) => `${path}/..`),
  fc.constantFrom(
    '',
    '.',
    '..',
    '/',
    '../..',
    './.',
    'a/.',
    '/..//',
    '.wh.',
    '.wh..',
    '.wh...',
    'a/.wh...',
    '.wh..wh..opq',
    '.wh..wh.aufs',
  ),
  fc.tuple(plain, part).map(([path, last]) => `${path}/.wh.${last}`),
  part.map((last) => `.wh.${last}`),
  plain.map((path) => `${path}/.wh..wh..opq`),
  fc.uint8Array({ minLength: 1, maxLength: 12 }).map((bytes) => Buffer.from(bytes).toString('latin1').replaceAll('\0', '/')),
)

export const targets = fc.oneof(
  plain,
  plain.map((path) => `/${path}`),
  plain.map((path) => `../${path}`),
  plain.map((path) => `../../../../${path}`),
  fc.constantFrom('.', '..', '/', '../../..', 'nowhere/../a', '\xff'),
)

const mode = fc.constantFrom(0o644, 0o755, 0o4711, 0o2755, 0o1777, 0o700, 0)
const owner = fc.constantFrom(0, 7)
const mtime = fc.integer({ min: 0, max: 2 ** 31 })
const attributes = fc.record({ mode, uid: owner, gid: owner, mtime })
const times = fc.constantFrom({}, { mtime: '1700000000.123456789' }, { mtime: '12.5', atime: '13' })
const xattrs = fc.constantFrom(
  {},
  {},
  { 'SCHILY.xattr.user.x': Buffer.from([0, 255, 10]) },
  { 'SCHILY.xattr.security.capability': Buffer.from('0100000200200000000000000000000000000000', 'hex') },
)
const content = fc.oneof(fc.string({ maxLength: 9 }), fc.constant('x'.repeat(600)))

/** Names beyond a header's hundred bytes are said in a header of their own. */
const named = (name: string, make: (short: string) => tar.Piece): tar.Piece =>
  name.length > 100 ? tar.longName(name, make('short')) : make(name)

/** So are targets. */
const targeted = (target: string, make: (short: string) => tar.Piece): tar.Piece =>
  target.length > 100 ? tar.longLink(target, make('short')) : make(target)

function sparse(name: string, text: string, of: tar.Attributes): tar.Piece {
  const pax = { 'GNU.sparse.size': String(8192 + text.length), 'GNU.sparse.map': `4096,${text.length},${8192 + text.length},0` }
  return tar.file(name, text, { ...of, pax })
}

/** So that what fails can be read: name, type, mode and target of an entry. */
export function shown(piece: tar.Piece): tar.Piece {
  const text = (from: number, length: number) => piece.toString('latin1', from, from + length).replace(/\0.*$/s, '')
  const lines: string[] = []
  for (let at = 0; at + 512 <= piece.length; at += 512) {
    if (piece.toString('latin1', at + 257, at + 262) !== 'ustar') continue
    const size = Number.parseInt(text(at + 124, 12), 8) || 0
    const body = 'xLK'.includes(text(at + 156, 1)) ? text(at + 512, size) : ''
    lines.push(`${text(at + 156, 1)} ${JSON.stringify(text(at, 100))} ${text(at + 100, 8)} ${text(at + 157, 100)} ${body}`.trim())
  }
  return Object.assign(piece, { [fc.toStringMethod]: () => `{ ${lines.join(' | ')} }` })
}

/** Entries of every kind. Links lead to `to`. */
export const pieces = (names: fc.Arbitrary<string>, to: fc.Arbitrary<string> = targets): fc.Arbitrary<tar.Piece> =>
  entries(names, to).map(({ piece }) => shown(piece))

/** Archives of which most entries can be made: links are to files before them, nothing is below a file, and no directory that has something in it is replaced. */
export const sensible = (names: fc.Arbitrary<string>, length: { minLength: number; maxLength: number }): fc.Arbitrary<tar.Piece[]> =>
  fc.array(entries(names, targets), length).map((all) => {
    const known = new Map<string, string>()
    const above = (path: string) => [...known.keys()].some((other) => other.startsWith(`${path}/`))
    return all.flatMap(({ kind, name, target, piece }) => {
      const path = clean(name)
      const parents = path.split('/').map((_, at, parts) => parts.slice(0, at).join('/'))
      if (path === '' || parents.some((parent) => solid.has(known.get(parent) ?? ''))) return []
      if (kind === 'link' && !solid.has(known.get(clean(target)) ?? '')) return []
      if (kind !== 'directory' && above(path)) return []
      known.set(path, kind)
      return [shown(piece)]
    })
  })

const solid = new Set(['file', 'link', 'node'])
const clean = (name: string): string =>
  name
    .split('/')
    .filter((part) => part !== '' && part !== '.' && part !== '..')
    .join('/')

interface Told {
  readonly kind: 'file' | 'directory' | 'symlink' | 'link' | 'node'
  readonly name: string
  readonly target: string
  readonly piece: tar.Piece
}

const entries = (names: fc.Arbitrary<string>, to: fc.Arbitrary<string>): fc.Arbitrary<Told> =>
  fc.oneof(
    {
      weight: 6,
      arbitrary: fc
        .tuple(names, content, attributes, times, xattrs)
        .map(([name, text, of, ...pax]) => told('file', name, (short) => tar.file(short, text, { ...of, pax: Object.assign({}, ...pax) }))),
    },
    {
      weight: 5,
      arbitrary: fc
        .tuple(names, attributes, times)
        .map(([name, of, pax]) => told('directory', name, (short) => tar.directory(short, { ...of, pax }))),
    },
    {
      weight: 4,
      arbitrary: fc
        .tuple(to, names, attributes)
        .map(([target, name, of]) => told('symlink', name, (short) => tar.symlink(target, short, of))),
    },
    {
      weight: 6,
      arbitrary: fc
        .tuple(fc.oneof({ weight: 4, arbitrary: names }, to), names)
        .map(([target, name]) => told('link', name, (short) => targeted(target, (to) => tar.link(to, short)), target)),
    },
    fc.tuple(names, attributes).map(([name, of]) => told('node', name, (short) => tar.fifo(short, of))),
    fc.tuple(names, attributes).map(([name, of]) => told('node', name, (short) => tar.character(short, 1, 3, of))),
    fc
      .tuple(names, fc.string({ minLength: 1, maxLength: 9 }), attributes)
      .map(([name, text, of]) => told('file', name, (short) => sparse(short, text, of))),
  )

const told = (kind: Told['kind'], name: string, make: (short: string) => tar.Piece, target = ''): Told => ({
  kind,
  name,
  target,
  piece: named(name, make),
})

/** Entries no honest writer writes. */
export const nonsense: fc.Arbitrary<tar.Piece> = fc.oneof(
  hostileNames.map((name) => tar.ofType('s', name)),
  hostileNames.map((name) => tar.ofType('V', name)),
  hostileNames.map((name) => tar.character(name, 0, 0)),
  fc.tuple(hostileNames, fc.bigInt({ min: -5n, max: 2n ** 40n })).map(([name, major]) => tar.block(name, Number(major), 3)),
  fc
    .tuple(hostileNames, fc.string({ maxLength: 20 }))
    .map(([name, map]) => tar.file(name, 'x', { pax: { 'GNU.sparse.size': '9', 'GNU.sparse.map': map } })),
  fc.tuple(hostileNames, fc.string({ maxLength: 20 })).map(([name, text]) => tar.file(name, '', { pax: { path: text, size: text } })),
  fc.uint8Array({ minLength: 512, maxLength: 512 }).map((bytes) => Buffer.from(bytes)),
  fc.constant(tar.paxHeader('g', { path: '../../a', uid: '77' })),
)

/** What may happen to bytes on their way. */
export const damage: fc.Arbitrary<(bytes: Buffer) => Buffer> = fc.oneof(
  fc.double({ min: 0, max: 1, noNaN: true }).map((at) => (bytes: Buffer) => bytes.subarray(0, Math.floor(at * bytes.length))),
  fc.tuple(fc.double({ min: 0, max: 0.9999, noNaN: true }), fc.integer({ min: 1, max: 255 })).map(([at, bits]) => (bytes: Buffer) => {
    const copy = Buffer.from(bytes)
    const index = Math.floor(at * bytes.length)
    copy[index] = (copy[index] ?? 0) ^ bits
    return copy
  }),
  fc.tuple(fc.nat(), fc.nat()).map(([from, to]) => (bytes: Buffer) => {
    const blocks = Math.floor(bytes.length / 512)
    const [one, other] = [from % blocks, to % blocks].toSorted((a, b) => a - b) as [number, number]
    return Buffer.concat([bytes.subarray(0, one * 512), bytes.subarray(other * 512)])
  }),
)
