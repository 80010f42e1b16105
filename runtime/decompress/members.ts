import type { Decoded, Decoder } from './decoder.ts'

/**
 * gzip by the quick one, but each member whose header has a sum of its own, or is not at hand as far as its flags, by the thorough one: libisal takes the sum of a header for wrong
 * when that comes in two pieces. Nobody writes such headers; they are allowed.
 */
export function eachMember(quick: Decoder, openThorough: () => Decoder): Decoder {
  let thorough: Decoder | undefined
  let current: Decoder | undefined
  return {
    async step(input, room): Promise<Decoded> {
      current ??= isPlain(input) ? quick : (thorough ??= openThorough())
      const step = await current.step(input, room)
      if (step.ended) current = undefined
      return step
    },
    async [Symbol.asyncDispose]() {
      await quick[Symbol.asyncDispose]()
      await thorough?.[Symbol.asyncDispose]()
    },
  }
}

const isPlain = (header: Uint8Array): boolean => header.length >= 4 && ((header[3] as number) & headerSum) === 0
const headerSum = 0x02
