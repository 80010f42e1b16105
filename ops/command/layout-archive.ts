/** OCI image layouts as one archive: `oci-layout`, `index.json`, `blobs/<algorithm>/<hex>`. */
import { Failure } from '../../messages/grammar/index.ts'
import { isDigest } from '../../messages/words/is-digest.ts'
import { readTar, type TarPart, writeTar } from '../../runtime/tar.ts'

/** A blob in an archive. */
export interface ArchivedBlob {
  readonly digest: string
  readonly size: number
  readonly content: AsyncIterable<Uint8Array>
}

/** Most parts of an archive. */
const mostParts = 100_000
/** Most bytes of a document. */
const mostBytes = 4 * 1024 * 1024

/**
 * Read a layout: each blob is handed on as it comes, its name not yet compared with its bytes; the index is answered in the end. Nothing is kept under a name of the archive. What does not belong to
 * a layout is passed over. Fails with invalid_argument when it is none.
 */
export async function readLayout(
  bytes: AsyncIterable<Uint8Array>,
  take: (blob: ArchivedBlob) => Promise<void>,
): Promise<Record<string, unknown>> {
  const documents = new Map<string, Record<string, unknown>>()
  let parts = 0
  for await (const part of readTar(bytes)) {
    if (++parts > mostParts) throw refused(`it has more than ${mostParts} parts`)
    const name = part.name.replace(/^(\.\/)+/, '')
    if (name.startsWith('blobs/')) {
      if (part.type !== 'directory') await take(blobOf(name, part))
    } else if (wanted.has(name)) {
      if (documents.has(name)) throw refused(`it has ${name} twice`)
      documents.set(name, await documentOf(name, part))
    }
  }
  const index = documents.get('index.json')
  if (!documents.has('oci-layout') || index === undefined)
    throw refused(
      documents.has('manifest.json')
        ? 'it is of an old docker save, no OCI image layout; skopeo copy docker-archive:OLD oci-archive:NEW makes one of it'
        : 'it is no OCI image layout',
    )
  if (documents.get('oci-layout')?.['imageLayoutVersion'] !== '1.0.0') throw refused('it is a layout of an unknown version')
  return index
}

/** A layout as an archive: the same blobs and index always make the same bytes. */
export function writeLayout(index: object, blobs: readonly ArchivedBlob[]): AsyncIterable<Uint8Array> {
  const files = blobs
    .map(({ digest, size, content }) => ({ name: `blobs/${digest.replace(':', '/')}`, size, content, mode: 0o444 }))
    .toSorted((one, other) => (one.name < other.name ? -1 : 1))
  return writeTar([
    { name: 'oci-layout', content: JSON.stringify({ imageLayoutVersion: '1.0.0' }) },
    { name: 'index.json', content: JSON.stringify(index) },
    ...files,
  ])
}

const wanted: ReadonlySet<string> = new Set(['oci-layout', 'index.json', 'manifest.json'])

const refused = (why: string): Failure => new Failure('invalid_argument', `read archive: ${why}`)

function blobOf(name: string, { type, size, content }: TarPart): ArchivedBlob {
  const digest = name.slice('blobs/'.length).replace('/', ':')
  if (!isDigest(digest)) throw refused(`${JSON.stringify(name)} is no name of a blob`)
  if (!files.has(type)) throw refused(`${name} is a ${type}`)
  return { digest, size, content }
}

const files: ReadonlySet<string> = new Set(['file', 'contiguous-file'])

async function documentOf(name: string, { type, size, content }: TarPart): Promise<Record<string, unknown>> {
  if (!files.has(type)) throw refused(`${name} is a ${type}`)
  if (size > mostBytes) throw refused(`${name} has ${size} bytes, more than the ${mostBytes} allowed`)
  const bytes = Buffer.concat(await Array.fromAsync(content))
  try {
    const value: unknown = JSON.parse(bytes.toString())
    if (typeof value === 'object' && value !== null) return value as Record<string, unknown>
  } catch {}
  throw refused(`${name} is not JSON`)
}
