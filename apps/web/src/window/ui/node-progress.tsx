import { Group, Loader, Text } from '@mantine/core'
import type { NodeAccess, NodeStatus, StartStep } from '../node-access.ts'
import { useObservable } from './observe.ts'

const stepTexts: Readonly<Record<StartStep, string>> = {
  'waiting-for-other-tab': 'Looking for Kith in your other tabs…',
  loading: 'Loading your server…',
  'opening-identity': 'Opening your identity…',
  'opening-storage': 'Opening your data…',
  'starting-network': 'Joining the network…',
  'starting-homeserver': 'Starting your server…',
}

/** A sentence about the node on its way up, or undefined when there is nothing to wait for. */
export function nodeText(status: NodeStatus): string | undefined {
  switch (status.kind) {
    case 'starting':
      return stepTexts[status.step]
    case 'taking-over':
      return 'Moving your server to this tab…'
    case 'ready':
    case 'failed':
      return undefined
  }
}

export function NodeProgress({ nodeAccess }: { readonly nodeAccess: NodeAccess }) {
  const text = nodeText(useObservable(nodeAccess.status))
  return (
    <Group gap="xs" mih={24} role="status">
      {text === undefined ? null : (
        <>
          <Loader size="xs" />
          <Text size="sm" c="var(--kith-quiet)">
            {text}
          </Text>
        </>
      )}
    </Group>
  )
}
