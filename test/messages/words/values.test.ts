import { describe, expect, test } from 'vitest'
import { Bytes, Descriptor, Id, Labels, roleOf, Size, Time } from '../../../messages/words/index.ts'

const takes = (schema: { safeParse(value: unknown): { success: boolean } }, value: unknown): boolean => schema.safeParse(value).success

describe('an id', () => {
  test.each(['a', 'r1', 'my-container_2.x', 'a'.repeat(76)])('may be %s', (id) => expect(takes(Id, id)).toBe(true))
  test.each(['', '.', '..', '-a', 'a-', 'a..b', 'a/b', '../a', 'a b', 'a\n', 'ü', 'a'.repeat(77)])('may not be %j', (id) =>
    expect(takes(Id, id)).toBe(false),
  )
})

test('a size is a whole number of bytes that a number can hold', () => {
  for (const size of [0, 1, Number.MAX_SAFE_INTEGER]) expect(takes(Size, size)).toBe(true)
  for (const size of [-1, 0.5, Number.NaN, Number.POSITIVE_INFINITY, '1', 2 ** 53]) expect(takes(Size, size)).toBe(false)
})

test('a time is UTC', () => {
  expect(takes(Time, new Date().toISOString())).toBe(true)
  for (const time of ['', 'now', '2026-11-21', '2026-11-21T03:00:00+01:00']) expect(takes(Time, time)).toBe(false)
})

test('a label and its value are at most 4096 bytes together', () => {
  expect(takes(Labels, { key: 'v'.repeat(4093) })).toBe(true)
  expect(takes(Labels, { key: 'v'.repeat(4094) })).toBe(false)
  expect(takes(Labels, { '': 'v' })).toBe(false)
  expect(takes(Labels, { key: 'ü'.repeat(2046) })).toBe(true)
  expect(takes(Labels, { key: 'ü'.repeat(2047) })).toBe(false)
})

test('labels are at most 256, and 64 KiB', () => {
  const labels = (count: number, value: string) => Object.fromEntries(Array.from({ length: count }, (_, at) => [`key-${at}`, value]))
  expect(takes(Labels, labels(256, ''))).toBe(true)
  expect(takes(Labels, labels(257, ''))).toBe(false)
  expect(takes(Labels, labels(16, 'v'.repeat(4000)))).toBe(true)
  expect(takes(Labels, labels(17, 'v'.repeat(4000)))).toBe(false)
})

test('bytes are base64 in JSON and themselves otherwise', () => {
  expect([...Bytes.parse('aGk=')]).toEqual([104, 105])
  expect([...Bytes.parse(Uint8Array.of(1))]).toEqual([1])
  for (const wrong of [7, null, undefined, [104]]) expect(takes(Bytes, wrong)).toBe(false)
})

test('a descriptor has a type, a digest and a size', () => {
  const good = { mediaType: 'application/vnd.oci.image.manifest.v1+json', digest: `sha256:${'0'.repeat(64)}`, size: 2 }
  expect(Descriptor.parse({ ...good, more: 1 })).toEqual(good)
  for (const wrong of [{ size: -1 }, { digest: 'sha256:0' }, { mediaType: '' }, { platform: { os: 'linux' } }]) {
    expect(takes(Descriptor, { ...good, ...wrong })).toBe(false)
  }
})

test.each([
  ['application/vnd.oci.image.index.v1+json', 'index'],
  ['application/vnd.docker.distribution.manifest.list.v2+json', 'index'],
  ['application/vnd.oci.image.manifest.v1+json', 'manifest'],
  ['application/vnd.docker.distribution.manifest.v2+json', 'manifest'],
  ['application/vnd.oci.image.config.v1+json', 'config'],
  ['application/vnd.docker.container.image.v1+json', 'config'],
  ['application/vnd.oci.image.layer.v1.tar+gzip', 'layer'],
  ['application/vnd.docker.image.rootfs.diff.tar.gzip', 'layer'],
  ['application/vnd.docker.image.rootfs.foreign.diff.tar.gzip', 'layer'],
  ['text/plain', 'other'],
  ['', 'other'],
])('%s is of the role %s', (mediaType, role) => expect(roleOf(mediaType)).toBe(role))
