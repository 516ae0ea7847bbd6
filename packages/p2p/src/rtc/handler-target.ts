export type Handler = ((event: Event) => unknown) | null

interface Registered {
  readonly handler: (event: Event) => unknown
  readonly listener: (event: Event) => void
}

/** Keeps the handlers of an object's `on…` properties. */
class HandlerTarget extends EventTarget {
  readonly #handlers = new Map<string, Registered>()

  static handlerOf(target: HandlerTarget, type: string): Handler {
    return target.#handlers.get(type)?.handler ?? null
  }

  static setHandler(target: HandlerTarget, type: string, handler: unknown): void {
    const old = target.#handlers.get(type)
    if (old !== undefined) target.removeEventListener(type, old.listener)
    target.#handlers.delete(type)
    if (typeof handler !== 'function') return
    const listener = (event: Event): void => void handler.call(target, event)
    target.#handlers.set(type, { handler: handler as Registered['handler'], listener })
    target.addEventListener(type, listener)
  }
}

/**
 * A class of EventTargets with an `on…` property for each of the types of events, which work as those of the browser's own objects: setting
 * one replaces the one before.
 */
export function handlerTarget<Type extends string>(types: readonly Type[]): new () => EventTarget & { [Name in `on${Type}`]: Handler } {
  class WithHandlers extends HandlerTarget {}
  for (const type of types) {
    Object.defineProperty(WithHandlers.prototype, `on${type}`, {
      configurable: true,
      enumerable: true,
      get(this: WithHandlers) {
        return HandlerTarget.handlerOf(this, type)
      },
      set(this: WithHandlers, handler: unknown) {
        HandlerTarget.setHandler(this, type, handler)
      },
    })
  }
  return WithHandlers as unknown as new () => WithHandlers & { [Name in `on${Type}`]: Handler }
}
