import { extract, pack } from 'tar-stream'
import { Failure } from '../messages/grammar/index.ts'

/** One thing to put into an archive. */
export interface TarEntry {
  readonly name: string
  /** `file` unless said otherwise. */
  readonly type?: 'file' | 'directory' | 'symlink' | 'link' | 'character-device' | 'block-device' | 'fifo'
  /** 0755 for a directory, 0644 for anything else, unless said otherwise. */
  readonly mode?: number
  readonly uid?: number
  readonly gid?: number
  /** 1970 unless said otherwise, so that the same entries always make the same bytes. */
  readonly mtime?: Date
  /** Where a link points. */
  readonly linkname?: string
  readonly devmajor?: number
  readonly devminor?: number
  /** Extended attributes, written as `SCHILY.xattr.*` records. Not together with a name or link longer than 100 bytes. */
  readonly xattrs?: Readonly<Record<string, string | Uint8Array>>
  /** What is in a file; a stream needs `size`. */
  readonly content?: string | Uint8Array | AsyncIterable<Uint8Array>
  readonly size?: number
}

/**
 * An archive of `entries`, in their order, as it is made: nothing is held but the piece at hand.
 * The one place that writes tar.
 */
export async function* writeTar(entries: Iterable<TarEntry> | AsyncIterable<TarEntry>): AsyncIterable<Uint8Array> {
  const archive = pack()
  const filled = fill(archive, entries)
  // A failed entry ends the archive with that error, which the loop below then throws.
  filled.catch((error: unknown) => archive.destroy(error as Error))
  for await (const piece of archive as AsyncIterable<Uint8Array>) yield piece
  await filled
}

async function fill(archive: ReturnType<typeof pack>, entries: Iterable<TarEntry> | AsyncIterable<TarEntry>): Promise<void> {
  for await (const entry of entries) {
    if (entry.xattrs) archive.push(xattrRecords(entry))
    await put(archive, entry)
  }
  archive.finalize()
}

function put(archive: ReturnType<typeof pack>, { xattrs: _, content, ...entry }: TarEntry): Promise<void> {
  const type = entry.type ?? 'file'
  const bytes = content === undefined || typeof content === 'string' ? Buffer.from(content ?? '') : content
  const size = type !== 'file' ? 0 : bytes instanceof Uint8Array ? bytes.byteLength : (entry.size ?? 0)
  const header = { mtime: new Date(0), ...entry, type, size, mode: modeOf(entry) }
  return new Promise((resolve, reject) => {
    const sink = archive.entry(header, (error) => (error ? reject(error) : resolve()))
    if (type !== 'file') return
    if (bytes instanceof Uint8Array) sink.end(bytes)
    else pour(bytes, sink).catch(reject)
  })
}

async function pour(from: AsyncIterable<Uint8Array>, into: NodeJS.WritableStream): Promise<void> {
  for await (const piece of from) if (!into.write(piece)) await new Promise((resolve) => into.once('drain', resolve))
  into.end()
}

/** tar-stream takes mode 0 for "not given"; a bit outside the twelve it writes says "given, and 0". */
function modeOf(entry: TarEntry): number {
  return (entry.mode ?? (entry.type === 'directory' ? 0o755 : 0o644)) | 0o10000
}

/** tar-stream writes PAX values as text only, and attributes are bytes: the extended header is made here. */
function xattrRecords(entry: TarEntry): Uint8Array {
  if (Math.max(Buffer.byteLength(entry.name), Buffer.byteLength(entry.linkname ?? '')) > 100)
    throw new RangeError(`archive ${entry.name}: extended attributes together with a long name are not supported`)
  const records = Buffer.concat(
    Object.entries(entry.xattrs ?? {}).map(([name, value]) => record(`SCHILY.xattr.${name}`, Buffer.from(value as string))),
  )
  const padding = Buffer.alloc((512 - (records.length % 512)) % 512)
  return Buffer.concat([extendedHeader(records.length), records, padding])
}

/** `<length of all this> <key>=<value>\n`; the length counts its own digits. */
function record(key: string, value: Uint8Array): Buffer {
  const rest = 1 + Buffer.byteLength(key) + 1 + value.length + 1
  let length = rest + String(rest).length
  if (String(length).length > String(rest).length) length++
  return Buffer.concat([Buffer.from(`${length} ${key}=`), value, Buffer.from('\n')])
}

function extendedHeader(size: number): Buffer {
  const header = Buffer.alloc(512)
  const octal = (value: number, width: number) => `${value.toString(8).padStart(width - 1, '0')}\0`
  header.write('PaxHeader', 0)
  header.write(octal(0o644, 8), 100)
  header.write(octal(0, 8), 108)
  header.write(octal(0, 8), 116)
  header.write(octal(size, 12), 124)
  header.write(octal(0, 12), 136)
  header.write('        ', 148)
  header.write('x', 156)
  header.write('ustar\x0000', 257)
  const sum = header.reduce((total, byte) => total + byte, 0)
  header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148)
  return header
}

/** One thing that was in an archive. */
export interface TarPart {
  /** as written there, not judged */
  readonly name: string
  readonly type: string
  readonly size: number
  /** Read to its end before the next part is asked for, or not at all. */
  readonly content: AsyncIterable<Uint8Array>
}

/**
 * The parts of an archive, as its bytes come; nothing is held but the piece at hand, and a header of at most 4 MiB. Fails with invalid_argument when it is not an archive, or ends too early, and as
 * the bytes do. Layers are read elsewhere: attributes are not told here.
 */
export async function* readTar(bytes: AsyncIterable<Uint8Array>): AsyncGenerator<TarPart> {
  const archive = extract()
  // the loop hears of it
  archive.on('error', () => {})
  let unread: { error: unknown } | undefined
  const fed = feed(bytes, archive).catch((error: unknown) => {
    unread = { error }
    archive.destroy(error as Error)
  })
  const why = (error: unknown): unknown => {
    if (unread) return unread.error
    if (error instanceof Failure) return error
    return new Failure('invalid_argument', `read archive: ${(error as Error).message}`, { cause: error })
  }
  try {
    for await (const entry of archive) {
      yield partOf(entry, why)
      entry.resume()
    }
    await fed
    if (unread) throw unread.error
  } catch (error) {
    throw why(error)
  } finally {
    archive.destroy()
  }
}

type Archive = ReturnType<typeof extract>
type Entry = Archive extends AsyncIterable<infer One> ? One : never

async function feed(bytes: AsyncIterable<Uint8Array>, archive: Archive): Promise<void> {
  const closed = new Promise<void>((resolve) => archive.once('close', () => resolve()))
  for await (const piece of bytes) {
    if (archive.destroyed) return
    if (!archive.write(piece)) await Promise.race([closed, new Promise<void>((resolve) => archive.once('drain', () => resolve()))])
  }
  archive.end(null)
}

function partOf(entry: Entry, why: (error: unknown) => unknown): TarPart {
  const { name, type, size = 0 } = entry.header
  if (!Number.isSafeInteger(size)) throw new Failure('invalid_argument', `read archive: the size of ${JSON.stringify(name)} is none`)
  return { name, type: type ?? 'file', size, content: contentOf(entry, why) }
}

async function* contentOf(entry: Entry, why: (error: unknown) => unknown): AsyncGenerator<Uint8Array> {
  try {
    for await (const piece of entry) yield piece as Uint8Array
  } catch (error) {
    throw why(error)
  }
}
