import { simulateShard } from './seeds.test-support.ts'

simulateShard(0, 2)
