/** Wait for a promise, or throw the signal's reason when told to give up; what is waited for goes on. */
export async function given<T>(signal: AbortSignal | undefined, wait: Promise<T>): Promise<T> {
  if (!signal) return await wait
  const told = Promise.withResolvers<never>()
  const giveUp = () => told.reject(signal.reason)
  if (signal.aborted) giveUp()
  signal.addEventListener('abort', giveUp, { once: true })
  try {
    // The promise given up first, so that an aborted signal wins over what is there already.
    return await Promise.race([told.promise, wait])
  } finally {
    signal.removeEventListener('abort', giveUp)
  }
}
