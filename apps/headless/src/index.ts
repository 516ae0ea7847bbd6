export * from './start-relay.ts'
export * from './start-serve.ts'
export { createStderrLog } from './node-ports.ts'
