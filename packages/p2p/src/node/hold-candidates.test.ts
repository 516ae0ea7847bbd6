import { RTCPeerConnection, RTCPeerConnectionIceEvent } from 'node-datachannel/polyfill'
import { expect, test, vi } from 'vitest'
import { holdCandidates } from './hold-candidates.ts'

type Connection = InstanceType<typeof RTCPeerConnection>

function candidatesToldBy(connection: Connection): string[] {
  const told: string[] = []
  connection.addEventListener('icecandidate', (event) => {
    if (event instanceof RTCPeerConnectionIceEvent && event.candidate !== null) told.push(event.candidate.candidate)
  })
  return told
}

async function candidatesOf(connection: Connection): Promise<string[]> {
  await vi.waitFor(() => expect(connection.ext_localCandidates).not.toEqual([]), 5_000)
  return connection.ext_localCandidates.map(({ candidate }) => candidate)
}

test('the side that offers tells its candidates when it has the answer, the other side at once', async () => {
  holdCandidates()
  holdCandidates()
  const offering = new RTCPeerConnection()
  const answering = new RTCPeerConnection()
  try {
    const [byOffering, byAnswering] = [candidatesToldBy(offering), candidatesToldBy(answering)]
    offering.createDataChannel('init')
    const offer = await offering.createOffer()
    await candidatesOf(offering)
    expect(byOffering).toEqual([])
    await answering.setRemoteDescription(offer)
    const answer = await answering.createAnswer()
    expect(byAnswering).toEqual(expect.arrayContaining(await candidatesOf(answering)))
    await offering.setRemoteDescription(answer)
    expect(byOffering).toEqual(expect.arrayContaining(await candidatesOf(offering)))
  } finally {
    offering.close()
    answering.close()
  }
})
