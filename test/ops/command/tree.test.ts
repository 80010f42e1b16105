import { expect, test } from 'vitest'
import { draw, grow } from '../../../ops/command/tree.ts'

interface Node {
  readonly key: string
  readonly parent?: string
}
const trees = (nodes: readonly Node[]) => grow(nodes, { keyOf: ({ key }) => key, parentOf: ({ parent }) => parent })
const drawn = (...nodes: Node[]) => draw(trees(nodes), ({ key }) => key)

const nodes: Node[] = [
  { key: 'b' },
  { key: 'a' },
  { key: 'a2', parent: 'a' },
  { key: 'a1', parent: 'a' },
  { key: 'a11', parent: 'a1' },
  { key: 'a12', parent: 'a1' },
  { key: 'a21', parent: 'a2' },
]
const expected = ['a', '├── a1', '│   ├── a11', '│   └── a12', '└── a2', '    └── a21', 'b']

test('each stands below what it hangs on, and there may be several trees', () => {
  expect(drawn(...nodes)).toEqual(expected)
})

test('the order in which they come makes no difference', () => {
  expect(drawn(...nodes.toReversed())).toEqual(expected)
})

test('one whose parent is not among them is a root', () => {
  expect(drawn({ key: 'x', parent: 'gone' }, { key: 'y', parent: 'x' })).toEqual(['x', '└── y'])
})

test('nothing makes no line', () => {
  expect(drawn()).toEqual([])
})
