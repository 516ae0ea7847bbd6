import { peerNetworkSuite } from '@kith/testkit/peer-network-suite'
import { openDirectPair } from './node-pairs.test-support.ts'

peerNetworkSuite('libp2p over TCP', openDirectPair('tcp'))
peerNetworkSuite('libp2p over WebSockets', openDirectPair('websocket'))
peerNetworkSuite('libp2p over WebRTC-direct', openDirectPair('webrtc-direct'))
