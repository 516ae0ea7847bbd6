type Handler = ((event: Event) => unknown) | null

/** An EventTarget whose `on…` properties work as those of the browser's own objects: setting one replaces the one before. */
export class HandlerTarget extends EventTarget {
  readonly #handlers = new Map<string, { handler: (event: Event) => unknown; listener: (event: Event) => void }>()

  protected handlerOf(type: string): Handler {
    return this.#handlers.get(type)?.handler ?? null
  }

  protected setHandler(type: string, handler: Handler | undefined): void {
    const old = this.#handlers.get(type)
    if (old !== undefined) this.removeEventListener(type, old.listener)
    this.#handlers.delete(type)
    if (typeof handler !== 'function') return
    const listener = (event: Event): void => {
      handler.call(this, event)
    }
    this.#handlers.set(type, { handler, listener })
    this.addEventListener(type, listener)
  }
}
