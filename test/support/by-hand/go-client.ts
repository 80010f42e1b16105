/** The Go client of NATS, where Debian's packages of it are installed: go/main.go, built and talked to in lines of JSON. */
import { execFile, spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { promisify } from 'node:util'
import { tempDirectory } from '../temp.ts'
import type { Message, Server } from './text-client.ts'

export interface GoClient extends AsyncDisposable {
  /** What `nats` would be asked with these words, and what it would be answered. */
  ask(words: readonly string[]): Promise<readonly Message[]>
}

const packages = '/usr/share/gocode'

/** Why there is no such client on this machine; undefined when there is. */
export function goMissing(): string | undefined {
  if (!['/usr/bin/go', '/usr/local/go/bin/go'].some((path) => existsSync(path))) return 'skipped: golang-go is not installed'
  return existsSync(join(packages, 'src/github.com/nats-io/nats.go'))
    ? undefined
    : 'skipped: golang-github-nats-io-go-nats-dev is not installed'
}

/** Build it, and have it connect. */
export async function goClient({ url, user = '', password = '' }: Server): Promise<GoClient> {
  await using stack = new AsyncDisposableStack()
  const program = join(stack.use(await tempDirectory()).path, 'asking')
  const env = { ...process.env, GO111MODULE: 'off', GOPATH: packages, GOFLAGS: '' }
  await promisify(execFile)('go', ['build', '-o', program, '.'], { cwd: join(import.meta.dirname, 'go'), env })
  const child = spawn(program, [], { env: { NATS_URL: url, NATS_USER: user, NATS_PASSWORD: password }, stdio: ['pipe', 'pipe', 'inherit'] })
  stack.defer(() => void child.kill('SIGKILL'))
  const answers = createInterface(child.stdout)[Symbol.asyncIterator]()
  const done = stack.move()
  return {
    async ask(words) {
      const [subject = '', body] = words.slice(-2)
      const until = words.includes('--wait-for-empty') ? 'empty' : words.includes('--replies') ? 'silence' : 'one'
      child.stdin.write(`${JSON.stringify({ subject, body, headers: {}, until })}\n`)
      const { value } = await answers.next()
      const messages = JSON.parse(value ?? '[]') as { headers: Record<string, string>; payload: string }[]
      return messages.map(({ headers, payload }) => ({ subject: '', headers, payload: Buffer.from(payload, 'base64') }))
    },
    [Symbol.asyncDispose]: () => done.disposeAsync(),
  }
}
