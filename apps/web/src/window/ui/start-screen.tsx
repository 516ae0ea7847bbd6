import { List, Loader, Stack, Text, ThemeIcon, Title } from '@mantine/core'
import { IconCheck, IconCircleDashed } from '@tabler/icons-react'
import type { StartChatStep } from '../chat/start-chat.ts'
import type { NodeAccess } from '../node-access.ts'
import { CenterScreen } from './center-screen.tsx'
import { nodeText } from './node-progress.tsx'
import { useObservable } from './observe.ts'

export interface StartScreenProps {
  readonly step: StartChatStep | 'opening' | 'loading'
  readonly nodeAccess: NodeAccess
  readonly firstRun: boolean
}

interface Stage {
  readonly label: string
  readonly steps: readonly StartScreenProps['step'][]
}

const firstStages: readonly Stage[] = [
  { label: 'Loading the chat', steps: ['opening', 'loading'] },
  { label: 'Creating your identity', steps: ['registering'] },
  { label: 'Making encryption keys', steps: ['opening-keys', 'syncing', 'publishing-keys'] },
]

const laterStages: readonly Stage[] = [
  { label: 'Loading the chat', steps: ['opening', 'loading', 'registering'] },
  { label: 'Opening your encryption keys', steps: ['opening-keys'] },
  { label: 'Reading your chats', steps: ['syncing', 'publishing-keys'] },
]

/** What happens until the chats can be shown, and how far it has come. */
export function StartScreen({ step, nodeAccess, firstRun }: StartScreenProps) {
  const status = useObservable(nodeAccess.status)
  const stages = firstRun ? firstStages : laterStages
  const current = stages.findIndex((stage) => stage.steps.includes(step))
  const detail = nodeText(status)
  return (
    <CenterScreen>
      <Title order={1} fz="h3">
        {firstRun ? 'Setting up' : 'Opening Kith'}
      </Title>
      <Stack gap="md" role="status">
        <List listStyleType="none" spacing="sm" center>
          {stages.map((stage, index) => (
            <StageRow key={stage.label} label={stage.label} state={index < current ? 'done' : index === current ? 'running' : 'coming'} />
          ))}
        </List>
        <Text size="sm" c="var(--kith-quiet)" mih="1.5em">
          {detail ?? (firstRun ? 'The keys are made on this device and stay on it.' : '')}
        </Text>
      </Stack>
    </CenterScreen>
  )
}

function StageRow({ label, state }: { readonly label: string; readonly state: 'done' | 'running' | 'coming' }) {
  return (
    <List.Item
      icon={
        <ThemeIcon variant="transparent" size="sm" c={state === 'coming' ? 'var(--kith-quiet)' : 'var(--kith-accent)'}>
          {state === 'done' ? <IconCheck size={20} /> : state === 'running' ? <Loader size={18} /> : <IconCircleDashed size={20} />}
        </ThemeIcon>
      }
    >
      <Text c={state === 'coming' ? 'var(--kith-quiet)' : 'inherit'} fw={state === 'running' ? 600 : 400}>
        {label}
      </Text>
    </List.Item>
  )
}
