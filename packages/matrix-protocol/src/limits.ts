/** Every bound of the protocol rules, in one place. Sizes in bytes of UTF-8. */
export const protocolLimits = {
  /** Given by the Matrix specification. */
  specification: {
    /** The canonical JSON of a whole event, signatures and unsigned included (client-server API, "Size limits"). */
    eventBytesMax: 65_535,
    /** Each of: user id, room id, event id, room alias, event type, state key. */
    identifierBytesMax: 255,
    /** The host part of a server name. */
    hostLengthMax: 255,
    prevEventsMax: 20,
    authEventsMax: 10,
    /** The largest depth of an event; more would not be an exact integer for everybody. */
    depthMax: Number.MAX_SAFE_INTEGER,
  },
  /** Chosen by this implementation. */
  implementation: {
    /** How deeply JSON may be nested, so that no walk over it can exhaust the stack. */
    jsonDepthMax: 256,
    /** How many pairs of a signature and a key are tried to authorise one invite through an identity server. */
    thirdPartyInviteChecksMax: 32,
  },
} as const
