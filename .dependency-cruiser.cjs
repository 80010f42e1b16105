/**
 * The direction of imports (ops/docs/decisions/0001-one-noun-four-places.md). A test plants a sin against each rule and sees it caught, and checks
 * that every source file was visited: test/architecture.test.ts.
 */
const { Visitor } = require('@swc/core/Visitor.js')

// swc parses `using`, its visitor does not know the statement yet: to look for imports it is a variable declaration like any other.
const visitStatement = Visitor.prototype.visitStatement
Visitor.prototype.visitStatement = function (statement) {
  if (statement.type !== 'UsingDeclaration') return visitStatement.call(this, statement)
  this.visitVariableDeclarators(statement.decls)
  return statement
}

const ours = '^(messages|machines|runtime|actors|ops|test)/'
const npm = 'node_modules'
const core = { dependencyTypes: ['core'] }

/** One package, one door. */
const door = (name, packages, doors) => ({
  name: `one-door-to-${name}`,
  comment: `${packages.join(', ')} may be imported only by ${doors.join(', ')}`,
  severity: 'error',
  from: { pathNot: doors.map((path) => `^${path}`) },
  to: { path: packages.map((one) => `${npm}/${one}/`) },
})

module.exports = {
  forbidden: [
    {
      name: 'messages-import-nothing-of-ours',
      severity: 'error',
      from: { path: '^messages/' },
      to: { path: ours, pathNot: '^messages/' },
    },
    { name: 'messages-npm-is-zod-only', severity: 'error', from: { path: '^messages/' }, to: { path: npm, pathNot: `${npm}/zod/` } },
    { name: 'messages-do-no-io', severity: 'error', from: { path: '^messages/' }, to: { ...core, pathNot: '^(node:)?crypto$' } },
    {
      name: 'the-grammar-knows-no-words',
      severity: 'error',
      from: { path: '^messages/grammar/' },
      to: { path: ours, pathNot: '^messages/grammar/' },
    },
    {
      name: 'machines-import-messages',
      severity: 'error',
      from: { path: '^machines/' },
      to: { path: ours, pathNot: '^(messages|machines)/' },
    },
    { name: 'machines-npm-is-xstate-only', severity: 'error', from: { path: '^machines/' }, to: { path: npm, pathNot: `${npm}/xstate/` } },
    { name: 'machines-are-pure', severity: 'error', from: { path: '^machines/' }, to: core },
    {
      name: 'runtime-knows-no-containers',
      severity: 'error',
      from: { path: '^runtime/' },
      to: { path: ours, pathNot: '^(runtime|messages/grammar)/' },
    },
    {
      name: 'actors-look-down',
      severity: 'error',
      from: { path: '^actors/' },
      to: { path: '^(ops|test)/' },
    },
    {
      name: 'an-actor-never-imports-another',
      severity: 'error',
      from: { path: '^actors/([^/]+)/' },
      to: { path: '^actors/', pathNot: '^actors/$1/' },
    },
    {
      name: 'craft-does-not-know-the-bus',
      severity: 'error',
      from: { path: '^actors/[^/]+/', pathNot: '^actors/[^/]+/((actor|worker)\\.ts$|bus/)' },
      to: { path: '^runtime/bus/', dependencyTypesNot: ['type-only'] },
    },
    {
      name: 'commands-speak-only-by-message',
      severity: 'error',
      from: { path: '^ops/(dist|ctr|gantry|screen)/' },
      to: { path: '^(actors|machines|runtime/(?!bus/|retry|log))', pathNot: '^ops/', dependencyTypesNot: ['type-only'] },
    },
    { name: 'nobody-imports-ops', severity: 'error', from: { pathNot: '^(ops|test)/' }, to: { path: '^ops/' } },
    { name: 'nobody-imports-test', severity: 'error', from: { pathNot: '^test/' }, to: { path: '^test/' } },
    { name: 'no-cycles', severity: 'error', from: {}, to: { circular: true } },
    {
      name: 'no-dev-dependency-in-the-product',
      severity: 'error',
      from: { path: '^(messages|machines|runtime|actors|ops)/', pathNot: '^ops/bench/' },
      to: { dependencyTypes: ['npm-dev', 'npm-no-pkg'] },
    },
    door(
      'nats',
      ['nats', '@nats-io'],
      ['nats', 'nats-address', 'nats-bus', 'nats-failures', 'stream', 'bucket'].map((file) => `runtime/bus/${file}.ts`),
    ),
    door('lmdb', ['lmdb'], ['runtime/tables.ts']),
    door('tar-stream', ['tar-stream'], ['runtime/tar.ts']),
    door('re2js', ['re2js'], ['runtime/pattern.ts']),
    door('ffi', ['koffi'], ['runtime/syscalls/']),
    door('msgpack', ['msgpackr'], ['runtime/bus/codec.ts']),
    door('pino', ['pino'], ['runtime/log.ts']),
    door('undici', ['undici'], ['actors/fetch/', 'ops/lab/', 'test/']),
    door('grpc', ['@grpc'], ['ops/bench/']),
    door('commander', ['commander'], ['ops/']),
  ],
  options: {
    doNotFollow: { path: npm },
    exclude: { path: '^(node_modules|ops/docs/schemas)/' },
    tsConfig: { fileName: 'tsconfig.json' },
    tsPreCompilationDeps: 'specify',
    parser: 'swc',
    enhancedResolveOptions: {
      extensions: ['.ts', '.js', '.cjs', '.mjs'],
      exportsFields: ['exports'],
      conditionNames: ['import', 'require', 'node', 'default', 'types'],
    },
  },
}
