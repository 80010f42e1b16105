import { expect, test } from 'vitest'
import { formatReference, isLoopback, parseReference } from '../../../messages/words/index.ts'

const sha256 = `sha256:${'a'.repeat(64)}`
const sha512 = `sha512:${'b'.repeat(128)}`

test.each([
  ['docker.io/library/redis:foo', { host: 'docker.io', repository: 'library/redis', tag: 'foo' }],
  [`docker.io/library/redis:foo@${sha256}`, { host: 'docker.io', repository: 'library/redis', tag: 'foo', digest: sha256 }],
  [`docker.io/library/redis@${sha256}`, { host: 'docker.io', repository: 'library/redis', digest: sha256 }],
  ['localhost:5000/redis:foo', { host: 'localhost:5000', repository: 'redis', tag: 'foo' }],
  ['localhost/redis', { host: 'localhost', repository: 'redis', tag: 'latest' }],
  ['sub-dom1.foo.com/bar/baz/quux', { host: 'sub-dom1.foo.com', repository: 'bar/baz/quux', tag: 'latest' }],
  ['sub-dom1.foo.com/bar/baz/quux:some-long-tag', { host: 'sub-dom1.foo.com', repository: 'bar/baz/quux', tag: 'some-long-tag' }],
  [
    'b.gcr.io/test.example.com/my-app:test.example.com',
    { host: 'b.gcr.io', repository: 'test.example.com/my-app', tag: 'test.example.com' },
  ],
  ['xn--n3h.com/myimage:xn--n3h.com', { host: 'xn--n3h.com', repository: 'myimage', tag: 'xn--n3h.com' }],
  [`xn--7o8h.com/myimage:xn--7o8h.com@${sha512}`, { host: 'xn--7o8h.com', repository: 'myimage', tag: 'xn--7o8h.com', digest: sha512 }],
  ['redis', { host: 'docker.io', repository: 'library/redis', tag: 'latest' }],
  ['redis:7', { host: 'docker.io', repository: 'library/redis', tag: '7' }],
  ['user/app', { host: 'docker.io', repository: 'user/app', tag: 'latest' }],
  ['[::1]:5000/a', { host: '[::1]:5000', repository: 'a', tag: 'latest' }],
  ['127.0.0.1:5000/a__b/c-d--e.f', { host: '127.0.0.1:5000', repository: 'a__b/c-d--e.f', tag: 'latest' }],
])('%s is read, and its full text reads the same', (text, expected) => {
  const reference = parseReference(text)
  expect(reference).toEqual(expected)
  expect(parseReference(formatReference(reference))).toEqual(reference)
})

test.each([
  '',
  ':tag',
  `@${sha256}`,
  `docker.io/library/redis@${sha256.slice(0, 20)}`,
  `redis@${sha256}@${sha256}`,
  'redis@',
  'http://docker.io/library/redis',
  'https://docker.io/library/redis',
  'docker.io/',
  'docker.io//redis',
  'docker.io/Library/redis',
  'docker.io/library/redis:',
  'docker.io/library/redis:.dot',
  `redis:${'t'.repeat(129)}`,
  `docker.io/${'a'.repeat(250)}`,
  'docker.io/../etc/passwd',
  'docker.io/a/../b',
  'docker.io/a/./b',
  'docker.io/a b',
  'docker.io/a\nb',
  'docker.io/-a',
  'docker.io/a-',
  'docker.io/a___b',
  'example..com:x/a',
  'user:password@host.example/a',
])('%j is refused as invalid_argument, in one line', (text) => {
  try {
    parseReference(text)
    expect.unreachable()
  } catch (error) {
    expect(error).toMatchObject({ code: 'invalid_argument', message: expect.stringMatching(/^parse reference ".*": [^\n]*[^.]$/) })
  }
})

test('this machine by name or loopback address is loopback, and nothing else', () => {
  for (const host of ['localhost', 'localhost:5000', '127.0.0.1', '127.1.2.3:80', '[::1]', '[::1]:5000'])
    expect(isLoopback(host)).toBe(true)
  for (const host of ['localhost.example.com', '127.0.0.1.example.com', '10.0.0.1', 'docker.io', '128.0.0.1', '[::2]', '']) {
    expect(isLoopback(host)).toBe(false)
  }
})
