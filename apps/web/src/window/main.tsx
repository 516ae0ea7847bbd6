import { createRoot } from 'react-dom/client'
import { openNodeAccess } from './node-access.ts'
import { App } from './ui/app.tsx'

const root = document.querySelector('#root')
if (root === null) throw new Error('index.html has no #root')
// The node starts before the first render, which it does not need.
const nodeAccess = await openNodeAccess()
createRoot(root).render(<App nodeAccess={nodeAccess} />)
