import { spawnSync } from 'node:child_process'
import { expect, test } from 'vitest'
import { gzipDecoders } from '../../../runtime/decompress/index.ts'
import { gzipSuite } from './gzip-suite.ts'

for (const { name, open } of gzipDecoders()) gzipSuite(name, open)

test('where igzip is installed, its library is what decodes', () => {
  const igzip = spawnSync('igzip', ['--version']).error === undefined
  expect(gzipDecoders().map(({ name }) => name)).toEqual(igzip ? ['isal', 'zlib'] : ['zlib'])
})
