/** Tells how far something is, as it goes on: not every step, never two at once, and in the end exactly. */
export interface Pace {
  /** It is at `offset` now. Cheap; returns at once. */
  reached(offset: number): void
  /** Resolves once the last offset reached is told, or telling failed. */
  settle(): Promise<void>
}

export interface PaceInit {
  /** tell after so much more */
  readonly step: number
  /** or, if there is anything more, after so many ms */
  readonly intervalMs: number
}

/** `tell` is called with ever larger offsets; `failed` when it throws, once: then nothing more is told. */
export function pace(
  { tell, failed }: { tell: (offset: number) => Promise<void>; failed: (error: unknown) => void },
  { step, intervalMs }: PaceInit,
): Pace {
  let latest = -1
  let told = -1
  let telling: Promise<void> | undefined
  let timer: NodeJS.Timeout | undefined
  let broken = false

  const begin = () => {
    clearTimeout(timer)
    timer = undefined
    const offset = latest
    telling = tell(offset)
      .then(
        () => void (told = offset),
        (error: unknown) => {
          broken = true
          failed(error)
        },
      )
      .finally(() => {
        telling = undefined
        consider()
      })
  }
  const consider = () => {
    if (broken || telling || latest <= told) return
    if (latest - told >= step) begin()
    else timer ??= setTimeout(begin, intervalMs)
  }

  return {
    reached(offset) {
      latest = offset
      consider()
    },
    async settle() {
      while (!broken && (telling || latest > told)) {
        if (!telling) begin()
        await telling
      }
      clearTimeout(timer)
    },
  }
}
