import { execFile } from 'node:child_process'
import { readFile, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { expect, test, vi } from 'vitest'
import { writeLayout } from '../../ops/command/layout-archive.ts'
import { makeImage } from '../../ops/lab/images.ts'
import { startHostileRegistry } from '../support/hostile-registry.ts'
import { command } from '../support/node.ts'
import { startNodes } from '../support/nodes.ts'
import { serveImage } from '../support/served-image.ts'
import { tempDirectory } from '../support/temp.ts'

// a machine that is busy starts processes slowly
vi.setConfig({ testTimeout: 120_000 })

const readme = new URL('../../README.md', import.meta.url)
const said = { nats: 'nats://127.0.0.1:4222', reference: '127.0.0.1:5000/library/redis:latest' }

/** The lines of a section that are there to be pasted. */
async function pasted(section: string): Promise<string[]> {
  const text = await readFile(readme, 'utf8')
  const [, body = ''] = text.split(`## ${section}\n`)
  const [mine = ''] = body.split('\n## ')
  return mine.split('\n').flatMap((line) => (line.startsWith('    ') ? [line.trim()] : []))
}

test('what the README says of many nodes is so', async () => {
  await using directory = await tempDirectory()
  await using registry = await startHostileRegistry()
  await using nodes = await startNodes(['n1', 'n2'])
  const reference = serveImage(registry, 'library/redis', await makeImage({ layers: [[{ name: 'a', content: 'a' }]] }))
  const image = await makeImage({ layers: [[{ name: 'b', content: 'b' }]] })
  const blobs = [image.manifest, image.config, ...image.layers].map(({ descriptor, bytes }) => ({
    ...descriptor,
    content: (async function* () {
      yield bytes
    })(),
  }))
  await writeFile(join(directory.path, 'image.tar'), writeLayout({ manifests: [image.manifest.descriptor] }, blobs))

  const [up, ...lines] = await pasted('Many nodes')
  expect(up).toContain(`npx gantry up --nats ${said.nats} --node n1`)
  const script = lines.join('\n').replaceAll(said.nats, nodes.nats.url).replaceAll(said.reference, reference)
  const { stdout, stderr } = await promisify(execFile)('sh', ['-ec', `npx() { "$@"; }\n${script}`], {
    cwd: directory.path,
    env: { PATH: `${dirname(command('dist'))}:${process.env['PATH']}`, HOME: directory.path },
  })
  expect(stderr).toBe('dist: passed over: n2 drains\n')
  expect(stdout).toMatch(/^n1\tdone\t/m)
  expect(stdout).toMatch(/^n2\tdone\t/m)
  expect(stdout).toMatch(/^n2\tup\t/m)
  expect(stdout).toMatch(/^n1\tcomplete\t100\t/m)
  expect(stdout).toMatch(new RegExp(`^n1\timage\t${reference}\t`, 'm'))
  expect(stdout).toMatch(/^n2\tcontent\t/m)
  expect(stdout).toMatch(new RegExp(`^docker.io/library/mine:1\t${image.manifest.descriptor.digest}\t.*\tshared\tn1$`, 'm'))
  expect((await readFile(join(directory.path, 'again.tar'))).length).toBeGreaterThan(0)
})
