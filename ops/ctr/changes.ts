import type { container } from '../../messages/container.ts'
import { type Client, Failure } from '../../messages/grammar/index.ts'

type Config = NonNullable<Parameters<Client<typeof container>['commit']>[0]['config']>

/** Changes to an image's config, as people write them: instructions of a Dockerfile. Fails with invalid_argument. */
export function changesOf(instructions: readonly string[]): { config?: Config } {
  if (instructions.length === 0) return {}
  const config: Config = {}
  for (const instruction of instructions) {
    const [, name = '', rest = ''] = /^\s*(\S+)\s*([\s\S]*?)\s*$/.exec(instruction) ?? []
    const read = readers[name.toUpperCase()]
    if (read === undefined || rest === '') throw refusal(instruction, `it is none of ${Object.keys(readers).join(', ')}`)
    read(config, rest, instruction)
  }
  return { config }
}

const readers: Readonly<Record<string, (config: Config, text: string, instruction: string) => void>> = {
  CMD: (config, text) => void (config.Cmd = words(text)),
  ENTRYPOINT: (config, text) => void (config.Entrypoint = words(text)),
  ENV: (config, text, instruction) => void (config.Env = [...(config.Env ?? []), pair(text, instruction).join('=')]),
  LABEL(config, text, instruction) {
    const [name, value] = pair(text, instruction)
    config.Labels = { ...config.Labels, [name]: value }
  },
  USER: (config, text) => void (config.User = text),
  WORKDIR: (config, text) => void (config.WorkingDir = text),
}

/** A list as in JSON, or a line for a shell. */
function words(text: string): string[] {
  try {
    const list: unknown = JSON.parse(text)
    if (Array.isArray(list) && list.every((word) => typeof word === 'string')) return list
  } catch {}
  return ['/bin/sh', '-c', text]
}

function pair(text: string, instruction: string): [string, string] {
  const [, name, value] = /^([^=\s]+)(?:=|\s+)([\s\S]*)$/.exec(text) ?? []
  if (name === undefined || value === undefined) throw refusal(instruction, 'name=value is wanted')
  return [name, /^"[\s\S]*"$/.test(value) ? value.slice(1, -1) : value]
}

const refusal = (instruction: string, why: string) => new Failure('invalid_argument', `read change ${JSON.stringify(instruction)}: ${why}`)
