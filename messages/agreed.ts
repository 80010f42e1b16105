/**
 * What the cluster agrees on, and where: key-value buckets, opened by every node, each value changed only by who has seen what it was. Where nodes may not make
 * buckets, an operator does (`gantry streams`).
 */
export const agreed = {
  /** who reads which pieces of a blob from its registry; a claim nobody renews is forgotten, long after it has stopped to count */
  claims: { name: 'claims', ttlMs: 60_000, kept: false },
  /** who asks a registry what a name stands for; the right to lasts so long, should who has it die */
  asked: { name: 'asked', ttlMs: 30_000, kept: false },
  /** what names stand for */
  tags: { name: 'tags', kept: true },
} as const
