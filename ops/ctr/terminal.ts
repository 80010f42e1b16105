/** Give our terminal to a task: every key goes to it, and it learns how large the terminal is. Disposing it takes the terminal back. */
export async function rawTerminal({ resize }: { resize: () => Promise<void> }): Promise<Disposable> {
  const { stdin, stdout } = process
  const tell = () => void resize().catch(() => {})
  if (stdin.isTTY) stdin.setRawMode(true)
  if (stdout.isTTY) {
    stdout.on('resize', tell)
    await resize().catch(() => {})
  }
  return {
    [Symbol.dispose]() {
      stdout.off('resize', tell)
      if (stdin.isTTY) stdin.setRawMode(false)
    },
  }
}
