import { createRequire, registerHooks } from 'node:module'
import type * as botSdk from 'matrix-bot-sdk'

const crypto = '@matrix-org/matrix-sdk-crypto-nodejs'
const nothing = 'file:///no-crypto-here.cjs'

/** matrix-bot-sdk as it is published, without its native crypto: that comes as a binary from elsewhere than npm, and nothing here encrypts. */
export function loadBotSdk(): typeof botSdk {
  const hooks = registerHooks({
    resolve: (specifier, context, next) => (specifier === crypto ? { url: nothing, shortCircuit: true } : next(specifier, context)),
    load: (url, context, next) =>
      url === nothing ? { format: 'commonjs', source: 'module.exports = {}', shortCircuit: true } : next(url, context),
  })
  try {
    return createRequire(import.meta.url)('matrix-bot-sdk') as typeof botSdk
  } finally {
    hooks.deregister()
  }
}
