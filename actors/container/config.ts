import { z } from 'zod'
import { Failure } from '../../messages/grammar/index.ts'
import { Digest } from '../../messages/words/index.ts'

/** The kernel takes no longer argument or variable, and ends each at a NUL. */
const Text = z
  .string()
  .max(128 * 1024)
  .refine((text) => !text.includes('\0'), 'has a NUL byte')

/** Absent, null and empty are the same to those who write them. */
const optional = <T extends z.ZodType>(schema: T) => schema.nullish().transform((value) => value ?? undefined)

const List = optional(z.array(Text).max(4096))

/** The part of an image's config that says how to run it (OCI image spec, config; Docker's is the same here). */
const ImageConfig = z.object({
  config: optional(
    z.object({
      Entrypoint: List,
      Cmd: List,
      Env: List,
      WorkingDir: optional(Text.max(4096)),
      User: optional(Text.max(512)),
      StopSignal: optional(z.string().regex(/^$|^[A-Za-z0-9+-]{1,16}$/)),
    }),
  ),
  rootfs: z.object({ diff_ids: z.array(Digest).max(1024) }),
})

/** What an image says of how it is run, and what its layers are. */
export interface ImageConfig {
  readonly entrypoint: readonly string[]
  readonly cmd: readonly string[]
  readonly env: readonly string[]
  readonly cwd: string | undefined
  readonly user: string | undefined
  readonly stopSignal: string | undefined
  readonly diffIds: readonly Digest[]
}

/** Read a config that anybody may have written. Fails with failed_precondition, saying what is wrong with it. */
export function parseConfig(bytes: Uint8Array, image: string): ImageConfig {
  const result = ImageConfig.safeParse(parseJson(bytes, image))
  if (!result.success) {
    const [issue] = result.error.issues
    throw refusal(image, `${issue?.path.join('.')} ${issue?.message}`)
  }
  const { config, rootfs } = result.data
  return {
    entrypoint: config?.Entrypoint ?? [],
    cmd: config?.Cmd ?? [],
    env: config?.Env ?? [],
    cwd: config?.WorkingDir || undefined,
    user: config?.User || undefined,
    stopSignal: config?.StopSignal || undefined,
    diffIds: rootfs.diff_ids,
  }
}

function parseJson(bytes: Uint8Array, image: string): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes))
  } catch (error) {
    throw refusal(image, 'it is not JSON', error)
  }
}

const refusal = (image: string, why: string, cause?: unknown) =>
  new Failure('failed_precondition', `read the config of image ${image}: ${why}`, cause === undefined ? {} : { cause })
