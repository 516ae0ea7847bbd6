import type { Plugin } from 'vite'

/** Leaves files out of the build that a library brings for uses that are not ours. @throws when one of them is not there any more. */
export function withoutFilesPlugin(names: readonly RegExp[]): Plugin {
  return {
    name: 'kith-without-files',
    apply: 'build',
    enforce: 'post',
    generateBundle: {
      order: 'post',
      handler(_options, bundle) {
        for (const name of names) {
          const found = Object.keys(bundle).filter((file) => name.test(file))
          if (found.length === 0) throw new Error(`The build has no file ${name.source} to leave out`)
          for (const file of found) delete bundle[file]
        }
      },
    },
  }
}
