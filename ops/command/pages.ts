/** Everything of a list that is answered a page at a time: asked on from the last row's key for as long as there is more. */
export async function pages<Page extends { more: boolean }, Row>(
  ask: (after: string | undefined) => Promise<Page>,
  rowsOf: (page: Page) => readonly Row[],
  keyOf: (row: Row) => string,
): Promise<Row[]> {
  const all: Row[] = []
  for (let more = true; more; ) {
    const last = all.at(-1)
    const page = await ask(last === undefined ? undefined : keyOf(last))
    const rows = rowsOf(page)
    all.push(...rows)
    more = page.more && rows.length > 0
  }
  return all
}
