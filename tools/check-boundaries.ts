/**
 * Checks the import rules of .dependency-cruiser.mjs over the tree in the working directory.
 * Fails too when hardly anything was read: a checker that reads nothing reports success.
 */
import { existsSync } from 'node:fs'
import { resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { Visitor } from '@swc/core/Visitor.js'
import type { Statement, VariableDeclarator } from '@swc/core'
import { cruise, type ICruiseResult } from 'dependency-cruiser'
import extractOptions from 'dependency-cruiser/config-utl/extract-depcruise-options'

const modulesMin = 20
const roots = ['packages', 'apps', 'e2e', 'bench', 'tools'].filter((root) => existsSync(root))

// The visitor of @swc/core stops at `using`, which the sources use throughout.
// oxlint-disable-next-line typescript/unbound-method -- called with its visitor below
const visitKnownStatement = Visitor.prototype.visitStatement
Visitor.prototype.visitStatement = function visitStatement(this: Visitor, statement: Statement | UsingDeclaration): Statement {
  if (statement.type !== 'UsingDeclaration') return visitKnownStatement.call(this, statement)
  this.visitVariableDeclarators(statement.decls)
  return statement as unknown as Statement
}

interface UsingDeclaration {
  readonly type: 'UsingDeclaration'
  readonly decls: VariableDeclarator[]
}

const options = await extractOptions(pathToFileURL(resolve('.dependency-cruiser.mjs')).href)
const { output } = await cruise(roots, options)
const { modules, summary } = output as ICruiseResult
const own = modules.filter((module) => !module.source.includes('node_modules/') && module.coreModule !== true)
const imports = own.reduce((count, module) => count + module.dependencies.length, 0)

const reasons = new Map(options.ruleSet?.forbidden?.map(({ name, comment }) => [name, comment]))

for (const { rule, from, to } of summary.violations) console.error(`${rule.name}: ${from} → ${to}`)
for (const name of new Set(summary.violations.map(({ rule }) => rule.name))) {
  console.error(`${name}: ${reasons.get(name) ?? 'no rule of .dependency-cruiser.mjs names this import as allowed'}`)
}
console.log(`${own.length} modules, ${imports} imports, ${summary.violations.length} violations`)
if (own.length < modulesMin || imports === 0) console.error('hardly any module was read: the checker does not see the sources')
process.exitCode = summary.violations.length > 0 || own.length < modulesMin || imports === 0 ? 1 : 0
