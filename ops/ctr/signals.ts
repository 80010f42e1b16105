const forwarded = ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT', 'SIGUSR1', 'SIGUSR2'] as const

/** Pass the signals we get on, until disposed. */
export function forwardSignals(kill: (signal: string) => Promise<void>): Disposable {
  // what a task that has just ended refuses is no news
  const pass = (name: NodeJS.Signals) => void kill(name).catch(() => {})
  for (const name of forwarded) process.on(name, pass)
  return {
    [Symbol.dispose]() {
      for (const name of forwarded) process.off(name, pass)
    },
  }
}
