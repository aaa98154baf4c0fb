/** What the wizard knows of each device on its way to becoming cameras. */
import type { DeviceFacts, FoundDevice, Platform, ProbedChannel, ProbeLine, ProbeTarget } from '@/api/platforms'

export type TestState = 'untried' | 'waiting' | 'testing' | 'ok' | 'refused' | 'failed'
export type MakeState = 'open' | 'making' | 'done' | 'failed'

export interface NewCameraRow {
  code: string
  theirs: string
  name: string
  chosen: boolean
}

export interface DeviceRow {
  /** `host:port`. */
  key: string
  host: string
  port: number
  /** Of its device service, where that is not where most devices have it. */
  service_path: string | null
  found_name: string
  hardware: string
  /** The platform that it is already. */
  known: string | null
  chosen: boolean
  test: TestState
  /** A sentence about what went wrong, of the test or of the making. */
  problem: string
  facts: DeviceFacts | null
  picture: { codec: string; width: number; height: number } | null
  cameras: NewCameraRow[]
  name: string
  area_id: string
  make: MakeState
  platform_id: string | null
  camera_ids: string[]
}

export const keyOf = (host: string, port: number): string => `${host}:${port}`

const USUAL_PATH = '/onvif/device_service'

function servicePathOf(service_url: string | undefined): string | null {
  // Host and port are as the search reached them: only what follows is asked for.
  const path = /^https?:\/\/[^/]+(\/[!-"$-~]*)/.exec(service_url ?? '')?.[1]
  return path === undefined || path === USUAL_PATH ? null : path
}

type Found = Pick<FoundDevice, 'host' | 'port' | 'name' | 'hardware' | 'known'> & { service_url?: string }

export const rowOf = ({ host, port, service_url, name, hardware, known }: Found): DeviceRow => ({
  key: keyOf(host, port),
  host,
  port,
  service_path: servicePathOf(service_url),
  found_name: name,
  hardware,
  known,
  chosen: known === null,
  test: 'untried',
  problem: '',
  facts: null,
  picture: null,
  cameras: [],
  name: '',
  area_id: '',
  make: 'open',
  platform_id: null,
  camera_ids: [],
})

/** Found again: what is known of it stays. */
export function withFound(rows: readonly DeviceRow[], found: Found): DeviceRow[] {
  const key = keyOf(found.host, found.port)
  const known = rows.find((row) => row.key === key)
  if (known === undefined) return [...rows, rowOf(found)]
  const again = {
    ...known,
    service_path: servicePathOf(found.service_url) ?? known.service_path,
    found_name: found.name || known.found_name,
    hardware: found.hardware || known.hardware,
    known: found.known ?? known.known,
  }
  return rows.map((row) => (row === known ? again : row))
}

/** "DS-2CD 10.1.2.3": what it is called until somebody gives it a name. */
export function defaultName(row: DeviceRow): string {
  const what = row.found_name || row.facts?.model || row.hardware
  return what === '' ? row.host : `${what} ${row.host}`
}

/** It has answered: one camera alone has the device's name, several keep theirs. */
export function withProbed(row: DeviceRow, facts: DeviceFacts, channels: readonly ProbedChannel[]): DeviceRow {
  const cameras = channels.filter(({ kind }) => kind === 'camera')
  const tested = { ...row, facts, test: 'ok' as const, problem: '' }
  const name = row.name || defaultName(tested)
  return {
    ...tested,
    name,
    cameras: cameras.map(({ code, name: theirs }) => {
      const before = row.cameras.find((one) => one.code === code)
      return before ?? { code, theirs, name: cameras.length === 1 ? '' : theirs || code, chosen: true }
    }),
  }
}

export const cameraName = (row: DeviceRow, camera: NewCameraRow): string =>
  row.cameras.length === 1 ? row.name.trim() : camera.name.trim()

/** The same device twice: found at two addresses, or already here under another one. */
export function twinOf(row: DeviceRow, rows: readonly DeviceRow[], platforms: readonly Platform[]): { name: string; platform_id: string | null } | null {
  const serial = row.facts?.serial_number
  if (!serial) return null
  const model = row.facts?.model
  const other = rows.find((one) => one !== row && one.key < row.key && one.facts?.serial_number === serial && one.facts.model === model)
  if (other !== undefined) return { name: other.key, platform_id: null }
  const platform = platforms.find(
    ({ id, state }) => id !== row.platform_id && state.facts.serial_number === serial && state.facts.model === model,
  )
  return platform === undefined ? null : { name: platform.name, platform_id: platform.id }
}

/** Where it is asked: at its own path where the search told of one. */
export const targetOf = ({ host, port, service_path }: DeviceRow): ProbeTarget => ({ host, port, ...(service_path ? { service_path } : {}) })

/** What one device answered; `problem` puts a refusal into words. */
export function withAnswer(row: DeviceRow, line: ProbeLine & { type: 'probed' | 'refused' }, problem: (code: string, message: string) => string): DeviceRow {
  if (line.type === 'probed') return withProbed(row, line.facts, line.channels)
  return { ...row, test: line.code === 'refused' ? 'refused' : 'failed', problem: problem(line.code, line.message) }
}

/** Nothing more comes: what was not answered was not tried. */
export const untried = (row: DeviceRow): DeviceRow => (row.test === 'waiting' || row.test === 'testing' ? { ...row, test: 'untried' } : row)

export type TestOutcome = 'ok' | 'refused' | 'failed'

/**
 * One account for many devices: the first alone, the rest only once it was accepted there, and none
 * after two refusals in a row, since devices lock who guesses.
 *
 * `test` gives how it went. Gives what was not tried.
 */
export async function testInTurn<Row>(rows: readonly Row[], test: (row: Row) => Promise<TestOutcome>, abreast: number): Promise<Row[]> {
  const waiting = [...rows]
  let accepted = false
  let refusedInARow = 0
  const stopped = (): boolean => refusedInARow >= (accepted ? 2 : 1)

  async function next(): Promise<void> {
    const row = waiting.shift()
    if (row === undefined) return
    const outcome = await test(row)
    if (outcome === 'ok') {
      accepted = true
      refusedInARow = 0
    } else if (outcome === 'refused') refusedInARow += 1
  }

  // One that does not answer at all says nothing about the password.
  while (!accepted && !stopped() && waiting.length > 0) await next()
  const lane = async (): Promise<void> => {
    while (!stopped() && waiting.length > 0) await next()
  }
  await Promise.all(Array.from({ length: abreast }, lane))
  return waiting
}

/** What is kept over a reload of the page: never a password. What was under way is to be done again. */
export const kept = (rows: readonly DeviceRow[]): DeviceRow[] =>
  rows.map((row) => ({
    ...row,
    test: untried(row).test,
    make: row.make === 'making' ? 'open' : row.make,
  }))
