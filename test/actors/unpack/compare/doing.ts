/** Things people and programs do to files, at random: what cannot be done at the moment is not done. */
import {
  chmodSync,
  closeSync,
  lchownSync,
  linkSync,
  lstatSync,
  lutimesSync,
  mkdirSync,
  openSync,
  renameSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeSync,
} from 'node:fs'
import fc from 'fast-check'
import { cstring, lsetxattr, mknodat, S } from '../../../../runtime/syscalls/index.ts'

/** One of them; paths are latin1, below a root. */
export type Deed =
  | { does: 'write'; path: string; size: number; byte: number; quietly: boolean }
  | { does: 'mkdir'; path: string; mode: number }
  | { does: 'symlink'; path: string; target: string }
  | { does: 'link'; path: string; to: string }
  | { does: 'rename'; path: string; to: string }
  | { does: 'node'; path: string; kind: number; minor: number }
  | { does: 'remove'; path: string }
  | { does: 'chmod'; path: string; mode: number }
  | { does: 'chown'; path: string; uid: number }
  | { does: 'touch'; path: string; time: number }
  | { does: 'attribute'; path: string; name: string; value: number }

const long = 'n'.repeat(120)
const name = fc.constantFrom('a', 'b', 'c', 'd', 'caf\xe9', 'new\nline', long)
/** Few names, so that deeds meet; the deepest path is longer than any header has room for. */
const path = fc.array(name, { minLength: 1, maxLength: 4 }).map((names) => names.join('/'))
const mode = fc.constantFrom(0o644, 0o755, 0o600, 0o4755, 0o1777)
/** Whole seconds, as layers have them, and finer ones. */
const time = fc.constantFrom(0, 1_000_000, 1_600_000_000, 1_600_000_000.25, 2 ** 33)

const deed: fc.Arbitrary<Deed> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      does: fc.constant('write'),
      path,
      size: fc.constantFrom(0, 1, 3, 600, 300_000),
      byte: fc.nat(2),
      quietly: fc.boolean(),
    }),
  },
  { weight: 4, arbitrary: fc.record({ does: fc.constant('mkdir'), path, mode }) },
  { weight: 1, arbitrary: fc.record({ does: fc.constant('symlink'), path, target: fc.oneof(path, fc.constant(`/${long}/${long}`)) }) },
  { weight: 3, arbitrary: fc.record({ does: fc.constant('link'), path, to: path }) },
  { weight: 2, arbitrary: fc.record({ does: fc.constant('rename'), path, to: path }) },
  {
    weight: 1,
    arbitrary: fc.record({ does: fc.constant('node'), path, kind: fc.constantFrom(S.FIFO, S.CHR, S.BLK), minor: fc.constantFrom(1, 300) }),
  },
  { weight: 3, arbitrary: fc.record({ does: fc.constant('remove'), path }) },
  { weight: 1, arbitrary: fc.record({ does: fc.constant('chmod'), path, mode }) },
  { weight: 1, arbitrary: fc.record({ does: fc.constant('chown'), path, uid: fc.constantFrom(0, 7, 3_000_000) }) },
  { weight: 1, arbitrary: fc.record({ does: fc.constant('touch'), path, time }) },
  {
    weight: 1,
    arbitrary: fc.record({
      does: fc.constant('attribute'),
      path,
      name: fc.constantFrom('user.any', 'user.caf\xe9', 'security.capability'),
      value: fc.nat(1),
    }),
  },
) as fc.Arbitrary<Deed>

export const deeds = fc.array(deed, { maxLength: 30 })

/** Do all that can be done. */
export function doAll(root: string, all: readonly Deed[]): void {
  for (const one of all) {
    try {
      doOne(Buffer.from(root), one)
    } catch {}
  }
}

function doOne(root: Buffer, deed: Deed): void {
  const below = (path: string) => Buffer.concat([root, Buffer.from('/'), Buffer.from(path, 'latin1')])
  const at = below(deed.path)
  if (deed.does === 'write') write(at, deed)
  if (deed.does === 'mkdir') mkdirSync(at, { mode: deed.mode })
  if (deed.does === 'symlink') symlinkSync(Buffer.from(deed.target, 'latin1'), at)
  if (deed.does === 'link') linkSync(at, below(deed.to))
  if (deed.does === 'rename') renameSync(at, below(deed.to))
  if (deed.does === 'node') makeNode(at, deed)
  if (deed.does === 'remove') rmSync(at, { recursive: true })
  if (deed.does === 'chmod' && !lstatSync(at).isSymbolicLink()) chmodSync(at, deed.mode)
  if (deed.does === 'chown') lchownSync(at, deed.uid, deed.uid)
  if (deed.does === 'touch') lutimesSync(at, deed.time, deed.time)
  if (deed.does === 'attribute') lsetxattr(cstring(at), cstring(Buffer.from(deed.name, 'latin1')), attribute(deed))
}

const makeNode = (at: Buffer, { kind, minor }: Extract<Deed, { does: 'node' }>): void =>
  kind === S.FIFO ? mknodat(-100, cstring(at), kind | 0o640) : mknodat(-100, cstring(at), kind | 0o640, 1, minor)

/** Into what is there, if anything is; `quietly`: so that its time says nothing of it. */
function write(at: Buffer, { size, byte, quietly }: Extract<Deed, { does: 'write' }>): void {
  const before = lstatSync(at, { throwIfNoEntry: false })
  if (before && !before.isFile()) return
  const fd = openSync(at, 'w')
  writeSync(fd, Buffer.alloc(size, byte))
  closeSync(fd)
  // to the second: what is set to the nanosecond cannot be told from what was not written
  if (quietly && before) utimesSync(at, Math.floor(before.mtimeMs / 1000), Math.floor(before.mtimeMs / 1000))
}

function attribute({ name, value }: Extract<Deed, { does: 'attribute' }>): Buffer {
  const capability = Buffer.from('0100000200200000000000000000000000000000', 'hex')
  if (name === 'security.capability') return Buffer.concat([capability.subarray(0, 4), Buffer.from([value]), capability.subarray(5)])
  return Buffer.from([value, 0, 255, 10])
}
