import { expect, test } from 'vitest'
import { resolveUser } from '../../../actors/exec/user.ts'

const accounts = {
  passwd:
    '# comment\nroot:x:0:0:root:/root:/bin/sh\n\nredis:x:100:101::/data:/bin/false\n1234:x:55:56::/digits:\nhuge:x:4294967296:0::/:\nbroken\n',
  group: 'root:x:0:\nredis:x:101:\nextra:x:102:redis,other\nwide:x:4294967296:redis\nalso:x:103:redis\n',
}

test.each([
  ['', { uid: 0, gid: 0, groups: [0], home: '/root' }],
  ['root', { uid: 0, gid: 0, groups: [0], home: '/root' }],
  ['redis', { uid: 100, gid: 101, groups: [101, 102, 103], home: '/data' }],
  ['100', { uid: 100, gid: 101, groups: [101, 102, 103], home: '/data' }],
  ['redis:extra', { uid: 100, gid: 102, groups: [102], home: '/data' }],
  ['redis:', { uid: 100, gid: 101, groups: [101, 102, 103], home: '/data' }],
  ['7:8', { uid: 7, gid: 8, groups: [8], home: '/' }],
  ['7', { uid: 7, gid: 0, groups: [0], home: '/' }],
  [':extra', { uid: 0, gid: 102, groups: [102], home: '/root' }],
  ['1234', { uid: 55, gid: 56, groups: [56], home: '/digits' }],
  ['2147483647', { uid: 2147483647, gid: 0, groups: [0], home: '/' }],
])('%j is looked up', (text, user) => {
  expect(resolveUser(text, accounts)).toEqual(user)
})

test.each(['2147483648', '4294967296', '99999999999999999999', '0:2147483648', 'nobody', 'redis:nogroup', 'a:b:c', 'huge', 'broken', '-1'])(
  '%j is refused',
  (text) => {
    expect(() => resolveUser(text, accounts)).toThrow(expect.objectContaining({ code: 'invalid_argument' }))
  },
)

test('an image without accounts knows numbers only', () => {
  const none = { passwd: '', group: '' }
  expect(resolveUser('', none)).toEqual({ uid: 0, gid: 0, groups: [0], home: '/' })
  expect(() => resolveUser('root', none)).toThrow()
})
