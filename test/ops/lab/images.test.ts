import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { request } from 'undici'
import { expect, test } from 'vitest'
import { busyboxImage, digestOf, here, makeImage, makeIndex, pushImage } from '../../../ops/lab/images.ts'
import { startRegistry } from '../../../ops/lab/registry.ts'
import { writeTar } from '../../../runtime/tar.ts'

test('an image pushed to the registry is served back byte for byte', async () => {
  await using registry = await startRegistry()
  const image = await busyboxImage({ layers: [[{ name: 'hello', content: 'hi' }]] })
  const reference = await pushImage(registry, 'library/busybox:latest', image)
  expect(reference).toBe(`${registry.host}/library/busybox:latest`)
  const manifest = await request(`${registry.url}/v2/library/busybox/manifests/latest`, {
    headers: { accept: image.manifest.descriptor.mediaType },
  })
  expect(manifest.headers['docker-content-digest']).toBe(image.manifest.descriptor.digest)
  await manifest.body.dump()
  const blob = await request(`${registry.url}/v2/library/busybox/blobs/${image.layers[0]?.descriptor.digest}`)
  expect(digestOf(new Uint8Array(await blob.body.arrayBuffer()))).toBe(image.layers[0]?.descriptor.digest)
})

test('an index is pushed with the images it names', async () => {
  await using registry = await startRegistry()
  const image = await makeImage({ layers: [[{ name: 'a', content: 'a' }]] })
  const other = await makeImage({
    layers: [{ entries: [{ name: 'b', content: 'b' }], compression: 'none' }],
    platform: { os: 'linux', architecture: 's390x' },
  })
  const index = makeIndex([
    { platform: here, image },
    { platform: { os: 'linux', architecture: 's390x' }, image: other },
  ])
  await pushImage(registry, 'multi:v1', index)
  const answer = await request(`${registry.url}/v2/multi/manifests/v1`, { headers: { accept: index.manifest.descriptor.mediaType } })
  expect(answer.headers['content-type']).toBe(index.manifest.descriptor.mediaType)
  await answer.body.dump()
})

test('what is written as tar is read by tar', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'tar-'))
  try {
    const entries = [
      { name: 'd/', type: 'directory', mode: 0o2750 } as const,
      { name: 'd/none', mode: 0, content: 'x', xattrs: { 'user.raw': new Uint8Array([0xff, 0, 0x0a, 0x3d]) } },
      {
        name: `d/${'long'.repeat(40)}`,
        content: (async function* () {
          yield Buffer.from('ab')
          yield Buffer.from('c')
        })(),
        size: 3,
      },
      { name: 'd/link', type: 'link', linkname: 'd/none' } as const,
      { name: 'd/null', type: 'character-device', devmajor: 1, devminor: 3 } as const,
    ]
    writeFileSync(join(directory, 'a.tar'), Buffer.concat(await Array.fromAsync(writeTar(entries))))
    const listing = execFileSync('tar', ['--xattrs', '--xattrs-include=*', '-tvvf', join(directory, 'a.tar')], { encoding: 'utf8' }).split(
      '\n',
    )
    expect(listing).toEqual([
      expect.stringMatching(/^drwxr-s--- .* d\/$/),
      expect.stringMatching(/^----------\* .* 1 .* d\/none$/),
      '  x: 4 user.raw',
      expect.stringMatching(/^-rw-r--r-- .* 3 .* d\/(long){40}$/),
      expect.stringMatching(/^hrw-r--r-- .* d\/link link to d\/none$/),
      expect.stringMatching(/^crw-r--r-- .* 1,3 .* d\/null$/),
      '',
    ])
  } finally {
    rmSync(directory, { recursive: true })
  }
})
