import { expect, test } from 'vitest'
import { broughtLabels, lackingLabels, layerLabels } from '../../../actors/pull/labels.ts'
import type { Descriptor } from '../../../messages/words/index.ts'

const digest = `sha256:${'1'.repeat(64)}`
const descriptor: Descriptor = { mediaType: 'type/of.a+layer', digest, size: 10 }

test('a blob says as what it was brought, and from which repository of which host', () => {
  expect(broughtLabels({ name: '127.0.0.1:5000/library/redis:7', descriptor })).toEqual({
    'gantry.source.127.0.0.1:5000': 'library/redis',
    'gantry.media-type': 'type/of.a+layer',
  })
})

test('repositories of one host are joined, each once, in order', () => {
  const known = { 'gantry.source.h': 'b,d' }
  expect(lackingLabels(known, { 'gantry.source.h': 'c', 'gantry.source.other': 'a' })).toEqual({
    'gantry.source.h': 'b,c,d',
    'gantry.source.other': 'a',
  })
  expect(lackingLabels(known, { 'gantry.source.h': 'd' })).toEqual({})
})

test('anything else that is known stands', () => {
  expect(lackingLabels({ 'gantry.media-type': 'first' }, { 'gantry.media-type': 'second' })).toEqual({})
})

test('a label that would be too long is not written', () => {
  const known = { 'gantry.source.h': 'r'.repeat(4000) }
  expect(lackingLabels(known, { 'gantry.source.h': 's'.repeat(100), 'gantry.media-type': 't' })).toEqual({ 'gantry.media-type': 't' })
})

test('a snapshot says of which layer it is, and which directories that uses without having them, if they are not too many', () => {
  expect(layerLabels({ ...descriptor, annotations: { a: 'b' } }, ['usr', 'usr/bin'])).toEqual({
    'gantry.layer': JSON.stringify({ mediaType: 'type/of.a+layer', digest, size: 10 }),
    'gantry.implied': '["usr","usr/bin"]',
  })
  expect(
    layerLabels(
      descriptor,
      Array.from({ length: 1000 }, (_, n) => `directory-${n}`),
    ),
  ).toEqual({
    'gantry.layer': JSON.stringify({ mediaType: 'type/of.a+layer', digest, size: 10 }),
  })
})
