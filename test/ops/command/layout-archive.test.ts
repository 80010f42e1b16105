import { expect, test } from 'vitest'
import { type ArchivedBlob, readLayout, writeLayout } from '../../../ops/command/layout-archive.ts'
import { blobOf } from '../../../ops/lab/images.ts'
import { type TarEntry, writeTar } from '../../../runtime/tar.ts'

const archive = async (entries: readonly TarEntry[]): Promise<Buffer> => Buffer.concat(await Array.fromAsync(writeTar(entries)))

/** The bytes of an archive, a few at a time. */
async function* pieces(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += 700) yield bytes.subarray(at, at + 700)
}

async function read(bytes: Uint8Array): Promise<{ index: Record<string, unknown>; blobs: [string, string][] }> {
  const blobs: [string, string][] = []
  const take = async ({ digest, content }: ArchivedBlob) => {
    blobs.push([digest, Buffer.concat(await Array.fromAsync(content)).toString()])
  }
  return { index: await readLayout(pieces(bytes), take), blobs }
}

const layout: TarEntry = { name: 'oci-layout', content: '{"imageLayoutVersion":"1.0.0"}' }
const index: TarEntry = { name: 'index.json', content: '{"manifests":[]}' }
const { descriptor, bytes } = blobOf('text/plain', Buffer.from('a blob'))
const named = `blobs/${descriptor.digest.replace(':', '/')}`
const blob: TarEntry = { name: named, content: bytes }

test('what was written is read again, in whatever order it comes, and what is no part of a layout is passed over', async () => {
  const content = (async function* () {
    yield bytes
  })()
  const written = Buffer.concat(await Array.fromAsync(writeLayout({ manifests: [] }, [{ ...descriptor, content }])))
  const whole = { index: { manifests: [] }, blobs: [[descriptor.digest, 'a blob']] }
  expect(await read(written)).toEqual(whole)
  const more: TarEntry[] = [
    { name: './blobs/', type: 'directory' },
    { ...blob, name: `./${named}` },
    { name: 'repositories', content: 'x'.repeat(5000) },
    { name: '0123/layer.tar', type: 'symlink', linkname: '../blobs' },
    { ...index, name: './index.json' },
    { ...layout, name: './oci-layout' },
  ]
  expect(await read(await archive(more))).toEqual(whole)
})

test('a blob that nobody reads is passed over', async () => {
  const handed: string[] = []
  const take = async ({ digest }: ArchivedBlob) => void handed.push(digest)
  expect(await readLayout(pieces(await archive([blob, blob, layout, index])), take)).toEqual({ manifests: [] })
  expect(handed).toEqual([descriptor.digest, descriptor.digest])
})

test('an archive that is none, or broken, or would be another thing than it seems is refused', async () => {
  const whole = await archive([layout, index, blob])
  const cases: [why: string, bytes: Uint8Array][] = [
    ['Invalid tar header', Buffer.from('not an archive, and not a short one either\n'.repeat(100))],
    ['Unexpected end of data', whole.subarray(0, whole.length - 1100)],
    ['no OCI image layout', await archive([])],
    ['no OCI image layout', await archive([blob, index])],
    ['no OCI image layout', await archive([blob, layout])],
    ['of an old docker save', await archive([{ name: 'manifest.json', content: '[]' }])],
    ['unknown version', await archive([{ ...layout, content: '{"imageLayoutVersion":"2.0.0"}' }, index])],
    ['index.json is not JSON', await archive([layout, { ...index, content: '{' }])],
    ['index.json is not JSON', await archive([layout, { ...index, content: 'null' }])],
    ['it has index.json twice', await archive([layout, index, index])],
    ['more than the 4194304 allowed', await archive([layout, { ...index, content: Buffer.alloc(5 * 1024 * 1024, ' ') }])],
    ['index.json is a symlink', await archive([layout, { name: 'index.json', type: 'symlink', linkname: '/etc/passwd' }])],
    ['is a symlink', await archive([layout, index, { name: named, type: 'symlink', linkname: '/etc/passwd' }])],
    ['is a link', await archive([layout, index, { name: named, type: 'link', linkname: 'index.json' }])],
    ['is no name of a blob', await archive([layout, index, { ...blob, name: 'blobs/sha256/../../../../tmp/x' }])],
    ['is no name of a blob', await archive([layout, index, { ...blob, name: `blobs/sha256/${'A'.repeat(64)}` }])],
    ['is no name of a blob', await archive([layout, index, { ...blob, name: `${named}/x` }])],
  ]
  for (const [why, input] of cases)
    await expect(read(input), why).rejects.toMatchObject({ code: 'invalid_argument', message: expect.stringContaining(why) })
})

test('what the reader of blobs, or of bytes, fails with is what it fails with', async () => {
  const whole = await archive([layout, index, blob])
  const full = new Error('no room')
  await expect(readLayout(pieces(whole), () => Promise.reject(full))).rejects.toBe(full)
  const broken = async function* () {
    yield whole.subarray(0, whole.length - 1100)
    throw full
  }
  await expect(readLayout(broken(), async () => {})).rejects.toBe(full)
  const reading = async ({ content }: ArchivedBlob) => void (await Array.fromAsync(content))
  await expect(readLayout(broken(), reading)).rejects.toBe(full)
})
