declare const brand: unique symbol
type Branded<Name extends string> = string & { readonly [brand]: Name }

/** A server's name. For a Kith node: its Ed25519 key as a libp2p-key CID in lower-case base36. */
export type ServerName = Branded<'ServerName'>
export type UserId = Branded<'UserId'>
export type RoomId = Branded<'RoomId'>
export type EventId = Branded<'EventId'>
export type RoomAlias = Branded<'RoomAlias'>
