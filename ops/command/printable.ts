/** Text that may come from anywhere, fit for a terminal: control characters, line ends among them, become spaces. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
export const printable = (text: string): string => text.replace(/[\x00-\x1f\x7f-\x9f]+/g, ' ')
