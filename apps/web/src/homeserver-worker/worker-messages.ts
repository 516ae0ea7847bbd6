/** What the window tells the homeserver's worker; each message brings one port. */
export type MessageToWorker =
  /** First, with the port on which the window hosts WebRTC. */
  | { readonly kind: 'start' }
  /** A port to serve the client API on. */
  | { readonly kind: 'attach' }
