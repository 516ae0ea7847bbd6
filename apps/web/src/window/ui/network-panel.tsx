import { Alert, Badge, Button, Card, CopyButton, Drawer, Group, Loader, Stack, Text, Title } from '@mantine/core'
import { IconCheck, IconCopy, IconDatabaseExclamation } from '@tabler/icons-react'
import { useEffect, useState } from 'react'
import type { ReactNode } from 'react'
import type { Chat } from '../chat/chat-model.ts'
import { fingerprintOf } from '../chat/fingerprint-of.ts'
import type { NetworkState, PeerState, RelayState } from '../chat/network-state.ts'
import type { NodeAccess } from '../node-access.ts'
import { AddRelay } from './add-relay.tsx'
import { Fingerprint } from './fingerprint.tsx'
import { useObservable } from './observe.ts'

export interface NetworkPanelProps {
  readonly chat: Chat
  readonly nodeAccess: NodeAccess
  readonly opened: boolean
  readonly onClose: () => void
}

/** Where this server stands in the network. */
export function NetworkPanel({ chat, nodeAccess, opened, onClose }: NetworkPanelProps) {
  return (
    <Drawer opened={opened} onClose={onClose} position="right" size={440} title="Network" closeButtonProps={{ 'aria-label': 'Close' }}>
      <Contents chat={chat} nodeAccess={nodeAccess} />
    </Drawer>
  )
}

function Contents({ chat, nodeAccess }: { readonly chat: Chat; readonly nodeAccess: NodeAccess }) {
  const [answered, setAnswered] = useState(false)
  const [state, setState] = useState<NetworkState>()
  const self = useObservable(chat.self)
  useEffect(
    () =>
      chat.watchNetwork((next) => {
        setAnswered(true)
        if (next !== undefined) setState(next)
      }),
    [chat],
  )
  return (
    <Stack gap="xl">
      <StorageNote nodeAccess={nodeAccess} />
      <Section title="Your fingerprint">
        <Text size="sm" c="var(--kith-quiet)">
          Read it to people so that they can be sure it is you.
        </Text>
        <Fingerprint value={fingerprintOf(self.serverName)} />
        <CopyLine label="Copy your user id" value={self.userId} />
      </Section>
      {state === undefined ? (
        <Group role="status">
          {answered ? <Text c="var(--kith-quiet)">Your server does not answer at the moment.</Text> : <Loader size="sm" />}
        </Group>
      ) : (
        <>
          <Relays chat={chat} relays={state.relays} />
          <Peers peers={state.peers} relays={state.relays} />
        </>
      )}
    </Stack>
  )
}

function Section({ title, children }: { readonly title: string; readonly children: ReactNode }) {
  return (
    <Stack gap="sm" component="section" aria-label={title}>
      <Title order={3} fz="md">
        {title}
      </Title>
      {children}
    </Stack>
  )
}

function StorageNote({ nodeAccess }: { readonly nodeAccess: NodeAccess }) {
  const persisted = useObservable(nodeAccess.storagePersisted)
  if (persisted !== false) return null
  return (
    <Alert color="orange" title="Your browser may delete your data" icon={<IconDatabaseExclamation />}>
      <Stack gap="sm" align="flex-start">
        <Text size="sm">
          It has not promised to keep what Kith stores when space runs short. Your identity and messages live only here.
        </Text>
        <Button size="xs" variant="default" onClick={() => void nodeAccess.requestPersistence()}>
          Ask again
        </Button>
      </Stack>
    </Alert>
  )
}

const relayStates: Readonly<Record<RelayState['state'], { readonly text: string; readonly color: string }>> = {
  connected: { text: 'Connected', color: 'kith' },
  connecting: { text: 'Connecting', color: 'orange' },
  unreachable: { text: 'Unreachable', color: 'red' },
}

function Relays({ chat, relays }: { readonly chat: Chat; readonly relays: readonly RelayState[] }) {
  return (
    <Section title="Relays">
      <Text size="sm" c="var(--kith-quiet)">
        Relays help others find you, and keep your mail while this device is away.
      </Text>
      {relays.length === 0 ? <Text size="sm">No relay is chosen: you get messages only while both of you are online.</Text> : null}
      {relays.map((relay) => (
        <Card key={relay.server} withBorder padding="sm" data-relay-state={relay.state}>
          <Group justify="space-between" wrap="nowrap">
            <ServerName name={relay.server} />
            <Badge variant="light" color={relayStates[relay.state].color}>
              {relayStates[relay.state].text}
            </Badge>
          </Group>
          <Text size="xs" c="var(--kith-quiet)">
            {relay.mailbox === 'reserved' ? 'Keeps your mail' : 'No mailbox yet'}
          </Text>
          {relay.addresses.map((address) => (
            <Text key={address} size="xs" c="var(--kith-quiet)" truncate title={address}>
              {address}
            </Text>
          ))}
        </Card>
      ))}
      <AddRelay chat={chat} />
    </Section>
  )
}

function Peers({ peers, relays }: { readonly peers: readonly PeerState[]; readonly relays: readonly RelayState[] }) {
  const relayNames = new Set(relays.map((relay) => relay.server))
  const others = peers.filter((peer) => !relayNames.has(peer.server))
  return (
    <Section title="People’s servers">
      {others.length === 0 ? (
        <Text size="sm" c="var(--kith-quiet)">
          Connected to nobody at the moment.
        </Text>
      ) : null}
      {others.map((peer) => (
        <Card
          key={`${peer.server} ${peer.transport}`}
          withBorder
          padding="sm"
          data-peer-path={peer.path}
          data-peer-transport={peer.transport}
        >
          <Group justify="space-between" wrap="nowrap">
            <ServerName name={peer.server} />
            <Badge variant="light" color={peer.path === 'direct' ? 'kith' : 'orange'}>
              {peer.path === 'direct' ? 'Direct' : 'Through a relay'}
            </Badge>
          </Group>
          <Text size="xs" c="var(--kith-quiet)">
            {[peer.transport, peer.roundTripMs === undefined ? undefined : `${Math.round(peer.roundTripMs)} ms round trip`]
              .filter((part) => part !== undefined)
              .join(' · ')}
          </Text>
        </Card>
      ))}
    </Section>
  )
}

function ServerName({ name }: { readonly name: string }) {
  return (
    <Text size="sm" ff="monospace" truncate title={name}>
      {name.length > 20 ? `${name.slice(0, 10)}…${name.slice(-8)}` : name}
    </Text>
  )
}

function CopyLine({ label, value }: { readonly label: string; readonly value: string }) {
  return (
    <Group justify="space-between" wrap="nowrap">
      <Text size="xs" c="var(--kith-quiet)" truncate title={value}>
        {value}
      </Text>
      <CopyButton value={value}>
        {({ copied, copy }) => (
          <Button
            size="compact-xs"
            variant="default"
            flex="none"
            aria-label={label}
            leftSection={copied ? <IconCheck size={14} /> : <IconCopy size={14} />}
            onClick={copy}
          >
            {copied ? 'Copied' : 'Copy'}
          </Button>
        )}
      </CopyButton>
    </Group>
  )
}
