/** `setImmediate` of Node; other platforms have none. */
const { setImmediate } = globalThis as { readonly setImmediate?: (callback: () => void) => void }
const channel = setImmediate === undefined ? new MessageChannel() : undefined
const waiting: (() => void)[] = []
channel?.port1.addEventListener('message', () => waiting.shift()?.())
channel?.port1.start()

/**
 * Resolves when everything that waits for nothing but promises has run: the platform empties its queue of microtasks, however long the
 * chains in it, before it takes the next turn of its event loop.
 */
export function nextTurn(): Promise<void> {
  return new Promise((resolve) => {
    if (setImmediate !== undefined) setImmediate(resolve)
    else {
      waiting.push(resolve)
      channel?.port2.postMessage(undefined)
    }
  })
}
