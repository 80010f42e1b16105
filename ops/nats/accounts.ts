import { Failure, nodeName } from '../../messages/grammar/index.ts'
import { edgePermissions, nodePermissions, observerPermissions, type Permissions } from './permissions.ts'

/** The users of one tenant. A name may stand with the public nkey of its user, `n1=UA…`, which then needs no password. */
export interface Tenant {
  /** of the NATS account (GANTRY) */
  readonly account?: string | undefined
  /** first tokens of its subjects (gantry) */
  readonly subjects?: string | undefined
  readonly nodes?: readonly string[] | undefined
  readonly operators?: readonly string[] | undefined
  readonly observers?: readonly string[] | undefined
  /** servers at the edge, each with the nodes behind it: `site:n3,n4` */
  readonly edges?: readonly string[] | undefined
  /** users are known by their certificates, and have no passwords */
  readonly certificates?: boolean | undefined
  /** whether streams are kept here (true); at the edge they are not */
  readonly streams?: boolean | undefined
}

/** An account in the configuration language of nats-server. Passwords are left to the environment, `$GANTRY_N1_PASSWORD`. Fails with invalid_argument for a name that cannot be. */
export function accountOf({
  account = 'GANTRY',
  subjects: root = 'gantry',
  certificates = false,
  streams = true,
  ...names
}: Tenant): string {
  const users = (given: readonly string[] = [], permissions?: (name: string) => Permissions): string[] =>
    given.map((one) => user(one, { account, certificates, permissions }))
  const lines = [
    ...users(names.operators),
    ...users(names.observers, (name) => observerPermissions(root, name)),
    ...users(names.nodes, (name) => nodePermissions(root, nodeName(name))),
    ...(names.edges ?? []).flatMap((edge) => {
      const [name = '', behind = ''] = edge.split(':')
      return users([name], () => edgePermissions(root, behind.split(',').filter(Boolean).map(nodeName)))
    }),
  ]
  return [`${account} {`, ...(streams ? ['  jetstream: enabled'] : []), '  users: [', ...lines, '  ]', '}', ''].join('\n')
}

interface UserInit {
  readonly account: string
  readonly certificates: boolean
  readonly permissions: ((name: string) => Permissions) | undefined
}

function user(given: string, { account, certificates, permissions }: UserInit): string {
  const [name = '', nkey] = given.split('=')
  if (!/^[A-Za-z0-9_-]+$/.test(name))
    throw new Failure('invalid_argument', `name a user ${JSON.stringify(name)}: letters, digits, - and _ are allowed`)
  const password = `$${account}_${name}_PASSWORD`.replaceAll('-', '_').toUpperCase()
  const known = nkey ? [`nkey: ${nkey}`] : [`user: ${quoted(name)}`, ...(certificates ? [] : [`password: ${password}`])]
  const allowed = permissions ? [rules(permissions(name))] : []
  return ['    {', ...known.map((line) => `      ${line}`), ...allowed, '    }'].join('\n')
}

const rules = ({ publish, subscribe }: Permissions): string =>
  [
    '      permissions {',
    `        publish: { allow: ${list(publish)} }`,
    `        subscribe: { allow: ${list(subscribe)} }`,
    '      }',
  ].join('\n')

const list = (subjects: readonly string[]): string => ['[', ...subjects.map((one) => `          ${quoted(one)}`), '        ]'].join('\n')

const quoted = (text: string): string => JSON.stringify(text)
