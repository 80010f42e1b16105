import { readFile } from 'node:fs/promises'

/** One line of a shell on a page, and the heading it stands under. */
export interface Line {
  readonly under: string
  readonly text: string
}

/** The lines of all shell examples of a page, in order. */
export async function shellLines(path: string | URL): Promise<Line[]> {
  const lines: Line[] = []
  let [under, inside] = ['', false]
  for (const text of (await readFile(path, 'utf8')).split('\n')) {
    if (text.startsWith('```')) inside = text === '```sh'
    else if (inside) lines.push({ under, text })
    else if (text.startsWith('#')) under = text.replace(/^#+ /, '')
  }
  return lines
}

/** The words of a line that has no more than words and single quotes in it. */
export function wordsOf(line: string): string[] {
  const words = line.match(/(?:'[^']*'|\\'|[^\s'])+/g) ?? []
  return words.map((word) => word.replaceAll(/'([^']*)'|\\(')/g, (_, quoted: string | undefined, escaped: string) => quoted ?? escaped))
}
