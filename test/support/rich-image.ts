/** An image with everything in it that a layer can say, and everything a layer can do to those below it. */
import { randomBytes } from 'node:crypto'
import { gzipSync, zstdCompressSync } from 'node:zlib'
import { blobOf, digestOf, type Image, type Layer, makeImage } from '../../ops/lab/images.ts'
import { archive, block, character, directory, fifo, file, link, longLink, longName, type Piece, symlink } from './layers.ts'

type Compression = 'gzip' | 'zstd' | 'none'

/** The same image twice: with layers compressed in every way there is, and, for readers that do not know them all, by gzip only. */
export async function richImage(): Promise<{ image: Image; plain: Image }> {
  const layers = contents().map((pieces) => archive(...pieces))
  const ways: readonly Compression[] = ['gzip', 'none', 'zstd', 'gzip', 'gzip', 'none', 'gzip', 'zstd']
  return {
    image: await makeImage({ layers: layers.map((tar, at) => layerOf(tar, ways[at] ?? 'gzip')) }),
    plain: await makeImage({ layers: layers.map((tar) => layerOf(tar, 'gzip')) }),
  }
}

/** A layer of an archive as it is. */
export function layerOf(tar: Buffer, compression: Compression = 'gzip'): Layer {
  const media = 'application/vnd.oci.image.layer.v1.tar'
  const blob = {
    gzip: () => blobOf(`${media}+gzip`, gzipSync(tar, { level: 1 })),
    zstd: () => blobOf(`${media}+zstd`, zstdCompressSync(tar)),
    none: () => blobOf(media, tar),
  }[compression]()
  return { ...blob, diffId: digestOf(tar) }
}

/** `cap_net_raw+ep`, as the kernel keeps it: bytes that are no text. */
const capability = Buffer.from('0100000200200000000000000000000000000000', 'hex')

const long = (word: string) => Array.from({ length: 24 }, (_, at) => `${word}-${at}`).join('/')

function contents(): Piece[][] {
  const changing = twice()
  return [
    [
      directory('./', { mode: 0o751, uid: 12, gid: 34, mtime: 1_234_567_890, pax: { 'SCHILY.xattr.user.root': 'it' } }),
      ...['usr/', 'usr/bin/', 'usr/lib/', 'etc/', 'etc/conf.d/', 'var/', 'var/log/', 'opt/', 'opt/full/'].map((name) => directory(name)),
      directory('tmp/', { mode: 0o1777 }),
      directory('private/', { mode: 0o2700, uid: 1000, gid: 2000, pax: { mtime: '1234567890.123456789' } }),
      directory('deep/', { mode: 0o711, uid: 7 }),
      directory('deep/er/', { mode: 0o770, gid: 7, pax: { mtime: '981173106.000000007' } }),
      symlink('usr/bin', 'bin'),
      symlink('/usr/lib', 'lib'),
      symlink('nowhere/at/all', 'dangling'),
      file('usr/bin/ping', 'ping', { mode: 0o755, pax: { 'SCHILY.xattr.security.capability': capability } }),
      file('usr/bin/su', 'su', { mode: 0o4755 }),
      file('usr/bin/wall', 'wall', { mode: 0o2755, gid: 5 }),
      file('usr/lib/random', randomBytes(300_000)),
      file('etc/passwd', 'root:x:0:0::/root:/bin/sh\n'),
      file('etc/conf.d/a', 'a'),
      file('etc/conf.d/b', 'b'),
      file('opt/full/1', '1'),
      file('opt/full/2', '2'),
      file('var/log/none', '', { mode: 0 }),
      file('deep/er/file', 'deep'),
    ],
    [
      character('null', 1, 3, { mode: 0o666 }),
      block('loop', 7, 200, { mode: 0o660, gid: 6 }),
      fifo('pipe', { mode: 0o622, uid: 3 }),
      file('odd-owner', 'x', { uid: 4_000_000, gid: 4_000_001 }),
      file('nanoseconds', 'x', { pax: { mtime: '1700000000.987654321' } }),
      file('attributes', 'x', {
        pax: {
          'SCHILY.xattr.user.raw': Buffer.from([0xff, 0x00, 0x0a, 0x3d, 0x80]),
          'SCHILY.xattr.user.empty': '',
          'SCHILY.xattr.user.text': 'ü',
        },
      }),
      directory('with-attributes/', { pax: { 'SCHILY.xattr.user.of': 'a directory' } }),
      file('first', 'linked'),
      link('first', 'second'),
      link('./first', 'usr/third'),
      symlink('first', 'soft'),
      link('soft', 'hard-link-to-soft'),
    ],
    [
      ...[long('pax'), `gnu/${long('gnu')}`, 'of/a/prefix/name'].flatMap(parents),
      file('x', 'pax', { pax: { path: `${long('pax')}.txt` } }),
      symlink('x', 'x', { pax: { path: 'long-link', linkpath: long('target') } }),
      longName(`gnu/${long('gnu')}.txt`, file('x', 'gnu')),
      longLink(long('elsewhere'), symlink('x', 'gnu-link')),
      file('caf\xe9 latin1 \xff\xfe', 'bytes'),
      file('x', 'utf8', { pax: { path: 'naïve — 日本語' } }),
      file('x', 'bytes', { pax: { path: Buffer.from([0x70, 0x61, 0x78, 0x2d, 0xff, 0xc0]) } }),
      file('with space\ttab\nnewline \\ backslash', 'x'),
      file('name', 'prefix', { prefix: 'of/a/prefix' }),
    ],
    [
      file('usr/lib/.wh.random'),
      file('etc/conf.d/.wh.a'),
      file('opt/.wh.full'),
      directory('opt/full/', { mode: 0o700 }),
      file('opt/full/3', '3'),
      directory('var/log/'),
      file('var/log/.wh..wh..opq'),
      file('var/log/new', 'new'),
      file('.wh.dangling'),
      file('.wh.pipe'),
      fifo('tmp/moved-pipe'),
    ],
    [
      // through what is a link below: nothing here says so
      file('bin/through-link', 'written to usr/bin', { mode: 0o755 }),
      file('lib/through-absolute-link', 'written to usr/lib'),
      // through directories of below that this layer does not describe
      file('deep/er/another', 'their owner, mode and time stay'),
      file('private/secret', 'x', { mode: 0o600, uid: 1000 }),
      link('etc/passwd', 'etc/passwd-'),
      link('usr/bin/su', 'deep/su'),
    ],
    [],
    changing,
    [
      // kinds that change
      directory('attributes/'),
      file('attributes/now-a-directory', 'x'),
      file('with-attributes', 'now a file'),
      symlink('deep', 'first'),
      file('soft', 'now a file'),
      file('usr/bin/.wh.ping'),
    ],
    changing,
  ]
}

/** A layer that is there twice: what came between is undone where it says so. */
const twice = (): Piece[] => [
  directory('etc/'),
  file('etc/passwd', 'changed\n', { mode: 0o640 }),
  file('etc/.wh.conf.d'),
  file('soft', 'again'),
]

/** The directories something is in, described: those nobody describes are nobody's to compare. */
function parents(path: string): Piece[] {
  const names = path
    .split('/')
    .slice(0, -1)
    .map((_, at, parts) => `${parts.slice(0, at + 1).join('/')}/`)
  return names.map((name) => (name.length < 100 ? directory(name) : directory('x/', { pax: { path: name } })))
}
