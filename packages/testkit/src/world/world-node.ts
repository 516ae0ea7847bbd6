import { createHomeserver, createRelay, type Homeserver, type RelayConfig } from '@kith/homeserver'
import type { Log, Write } from '@kith/homeserver/ports'
import { homeserverTableNames, relayTableNames } from '@kith/homeserver/storage-schema'
import type { ServerName } from '@kith/matrix-protocol'
import { MemoryDisk, openMemoryStorage } from '@kith/storage/memory'
import { addressOf, type SimulatedPeerNetwork } from '../simulated-network.ts'
import type { SimulatedWorld, WorldIdentity } from '../simulated-world.ts'
import { type CommitCrash, WorldProcess } from './world-process.ts'

interface Running<Program extends AsyncDisposable> {
  readonly process: WorldProcess
  readonly network: SimulatedPeerNetwork
  readonly program: Program
}

/** What a node needs besides the world. */
export interface Outside {
  readonly log: Log
  /** What is written to the disk instead. */
  readonly tamper: (writes: readonly Write[]) => readonly Write[]
}

/** A node of the world: a disk and an identity that outlive its processes. */
abstract class WorldNode<Program extends AsyncDisposable> {
  readonly name: string
  readonly identity: WorldIdentity
  readonly disk = new MemoryDisk()
  readonly world: SimulatedWorld
  readonly #outside: Outside
  crashes = 0
  #running: Running<Program> | undefined
  #asleep = false
  readonly #end = new AbortController()
  #started = Promise.withResolvers<void>()

  constructor(world: SimulatedWorld, name: string, outside: Outside) {
    this.world = world
    this.name = name
    this.#outside = outside
    this.identity = world.createIdentity()
  }

  protected abstract readonly tableNames: readonly string[]
  protected abstract open(process: WorldProcess): Promise<Program>

  get server(): ServerName {
    return this.identity.server
  }

  /** For looking at what is stored, from outside. */
  get storage() {
    return openMemoryStorage({ disk: this.disk })
  }

  get isRunning(): boolean {
    return this.#running !== undefined
  }

  get isAsleep(): boolean {
    return this.#asleep
  }

  async start(): Promise<void> {
    if (this.#running !== undefined) return
    const { clock, random } = this.world
    const network = this.world.network.node(this.server)
    const storage = openMemoryStorage({ disk: this.disk, tableNames: this.tableNames })
    const { crypto } = this.identity
    const { log, tamper } = this.#outside
    const process = new WorldProcess({ clock, random, log, crypto, storage, network }, tamper, () => this.#dead(process, network))
    const program = await this.open(process)
    // Nobody but the world kills it, and that not while it starts.
    this.#running = { process, network, program }
    if (this.#asleep) process.freeze()
    else await network.start(new AbortController().signal)
    this.#started.resolve()
  }

  /** Dies at once, or at one of its next commits. */
  crash(at?: CommitCrash): void {
    if (at === undefined) this.#running?.process.kill()
    else this.#running?.process.killAtCommit(at)
  }

  /** Takes back a death that waits for a commit. */
  disarm(): void {
    this.#running?.process.killAtCommit(undefined)
  }

  /** Aborts when the world is over. */
  get end(): AbortSignal {
    return this.#end.signal
  }

  /** Ends for good: what waits in a process for something that never comes, be it dead, would keep the world in memory. */
  async dispose(): Promise<void> {
    await this.stop()
    this.#end.abort()
  }

  /** Ends as it should. */
  async stop(): Promise<void> {
    const running = this.#running
    if (running === undefined) return
    this.#running = undefined
    this.#started = Promise.withResolvers()
    await this.world.finish((async () => running.program[Symbol.asyncDispose]())())
    running.network.goDown()
    running.process.kill()
  }

  /** Neither computes nor is on the network until `wake`. */
  sleep(): void {
    this.#asleep = true
    this.#running?.network.goDown()
    this.#running?.process.freeze()
  }

  wake(): void {
    this.#asleep = false
    this.#running?.process.thaw()
    this.#running?.network.comeUp()
  }

  /** The program, once it runs and is awake. */
  async running(): Promise<Running<Program>> {
    for (;;) {
      await this.#started.promise
      const running = this.#running
      if (running === undefined) continue
      if (!running.process.isFrozen) return running
      await Promise.race([running.process.awake(), death(running.process.died)])
    }
  }

  #dead(process: WorldProcess, network: SimulatedPeerNetwork): void {
    network.goDown()
    if (this.#running?.process !== process) return
    this.#running = undefined
    this.#started = Promise.withResolvers()
    this.crashes++
  }
}

export class WorldServer extends WorldNode<Homeserver> {
  protected override readonly tableNames = homeserverTableNames
  readonly #relays: readonly ServerName[]

  constructor(world: SimulatedWorld, name: string, relays: readonly ServerName[], outside: Outside) {
    super(world, name, outside)
    this.#relays = relays
  }

  protected override open({ ports }: WorldProcess): Promise<Homeserver> {
    return createHomeserver(ports, { relays: this.#relays.map(addressOf), openRegistration: true })
  }
}

export class WorldRelay extends WorldNode<AsyncDisposable> {
  protected override readonly tableNames = relayTableNames
  readonly #config: Partial<RelayConfig>

  constructor(world: SimulatedWorld, name: string, outside: Outside, config: Partial<RelayConfig> = {}) {
    super(world, name, outside)
    this.#config = config
  }

  protected override open({ ports }: WorldProcess): Promise<AsyncDisposable> {
    return createRelay(ports, this.#config)
  }
}

/** Resolves when the process dies. */
export function death(died: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (died.aborted) resolve()
    died.addEventListener('abort', () => resolve(), { once: true })
  })
}
