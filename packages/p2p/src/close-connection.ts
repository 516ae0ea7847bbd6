import type { Connection } from '@libp2p/interface'

/** Closes a connection at once, telling the peer where the transport can. */
export async function closeConnection(connection: Connection): Promise<void> {
  // Long-lived streams would hold up an orderly close until its time is over.
  for (const stream of connection.streams) stream.abort(new Error('The connection is no longer needed'))
  try {
    await connection.close()
  } catch (error) {
    connection.abort(error instanceof Error ? error : new Error('The connection could not be closed'))
  }
}
