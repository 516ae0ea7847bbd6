import { createRequire, registerHooks } from 'node:module'

const crypto = '@matrix-org/matrix-sdk-crypto-nodejs'
const nothing = 'file:///no-crypto-here.cjs'

/** matrix-bot-sdk as it is published, without its native crypto: that comes as a binary from elsewhere than npm, and nothing here encrypts. */
export function loadBotSdk(): typeof import('matrix-bot-sdk') {
  const hooks = registerHooks({
    resolve: (specifier, context, next) => (specifier === crypto ? { url: nothing, shortCircuit: true } : next(specifier, context)),
    load: (url, context, next) =>
      url === nothing ? { format: 'commonjs', source: 'module.exports = {}', shortCircuit: true } : next(url, context),
  })
  try {
    return createRequire(import.meta.url)('matrix-bot-sdk') as typeof import('matrix-bot-sdk')
  } finally {
    hooks.deregister()
  }
}
