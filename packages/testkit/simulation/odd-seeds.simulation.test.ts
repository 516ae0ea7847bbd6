import { simulateShard } from './seeds.test-support.ts'

simulateShard(1, 2)
