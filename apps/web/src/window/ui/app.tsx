import type { NodeAccess } from '../node-access.ts'

export function App({ nodeAccess }: { readonly nodeAccess: NodeAccess }) {
  return <main data-state={nodeAccess.status.kind}>Kith</main>
}
