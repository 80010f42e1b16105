/** What one step of decoding came to. */
export interface Decoded {
  /** bytes of the input that are not needed again */
  readonly used: number
  /** bytes put into the room */
  readonly made: number
  /** A member, or frame, is over and its sums hold; what comes next begins another. */
  readonly ended: boolean
}

/**
 * Decodes a compressed stream step by step, on a thread of the pool, from and into memory of the caller, who leaves it alone until the step is done. One step at a time.
 * Disposing it waits for the step that is under way.
 */
export interface Decoder extends AsyncDisposable {
  /** Use of `input` and fill of `room` as much as there is. Fails with {@link Damaged}. */
  step(input: Uint8Array, room: Uint8Array): Promise<Decoded>
}

/** What cannot be decoded. */
export class Damaged extends Error {
  override readonly name = 'Damaged'
}

/** What one library does of a {@link Decoder}: `run` a step, `free` what it holds. */
export interface Codec {
  run(input: Uint8Array, room: Uint8Array): Promise<Decoded>
  free(): void
}

/** A decoder that frees what its library holds only when no step is under way. */
export function decoder(codec: Codec): Decoder {
  let step: Promise<Decoded> | undefined
  let closed = false
  return {
    step(input, room) {
      if (closed) return Promise.reject(new Error('the decoder is closed'))
      return (step = codec.run(input, room))
    },
    async [Symbol.asyncDispose]() {
      if (closed) return
      closed = true
      await step?.catch(() => {})
      codec.free()
    },
  }
}
