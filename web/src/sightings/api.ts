/** What checkpoints told of (docs/http-api.md, Sightings). */
import { get } from '@/api/client'
import type { Purpose } from '@/purpose/scope'
import type { Period } from '@/shell/period'
import { nowUs } from '@/api/clock'

export const KINDS = ['vehicle', 'non_motor', 'person', 'image', 'clip'] as const
export type Kind = (typeof KINDS)[number]

export const COLORS = [
  'black', 'white', 'grey', 'red', 'blue', 'yellow', 'orange', 'brown', 'green', 'purple', 'cyan', 'pink', 'other',
] as const
export const PLATE_COLORS = ['blue', 'yellow', 'green', 'white', 'black'] as const
export const VEHICLE_TYPES = [
  'car', 'suv', 'van', 'bus', 'truck', 'tractor', 'trailer', 'motorcycle', 'three_wheeler', 'special', 'machinery', 'farm_tractor', 'other',
] as const

export interface Checkpoint {
  id: string
  code: string
  name: string
  platform_id: string
  platform_name: string
  camera_id: string | null
  area_path: string[]
}

export interface Picture {
  number: number
  kind: string
  width: number
  height: number
  url: string
}

export interface Sighting {
  id: string
  kind: Kind
  at_us: number
  received_us: number
  checkpoint: Checkpoint
  plate: string | null
  plate_color: string | null
  color: string | null
  lower_color: string | null
  vehicle_type: string | null
  facts: Record<string, string | number | boolean>
  pictures: Picture[]
  withheld: 'masked' | null
  playback: boolean
}

export interface SightingPage {
  items: Sighting[]
  next_cursor: string | null
  look: string
}

/** What is looked for. */
export interface Wanted {
  period: Period
  kind: Kind | ''
  plate: string
  anywhere: boolean
  lookAlikes: boolean
  plateColor: string
  color: string
  lowerColor: string
  vehicleType: string
  areaId: string
  checkpointId: string
}

/** The address of a search; a page after the first carries its purpose by `look`. */
export function searchPath(
  wanted: Wanted, purpose: Purpose | undefined, after?: { cursor: string; look: string; end_us: number },
): string {
  const parameters = new URLSearchParams()
  const add = (name: string, value: string | number | boolean | undefined): void => {
    if (value !== undefined && value !== '' && value !== false) parameters.append(name, String(value))
  }
  add('start_us', Math.round(wanted.period.start_us))
  add('end_us', Math.round(after?.end_us ?? wanted.period.end_us ?? nowUs()))
  add('kind', wanted.kind)
  const plate = wanted.plate.trim()
  if (plate !== '') {
    add('plate', plate)
    add('infix', wanted.anywhere)
    add('look_alikes', wanted.lookAlikes)
  }
  add('plate_color', wanted.plateColor)
  add('color', wanted.color)
  add('lower_color', wanted.lowerColor)
  add('vehicle_type', wanted.vehicleType)
  add('area_id', wanted.areaId)
  add('checkpoint_id', wanted.checkpointId)
  if (after === undefined) {
    add('purpose_code', purpose?.code)
    add('purpose_text', purpose?.text)
    add('case_id', purpose?.case_id)
  } else {
    add('cursor', after.cursor)
    add('look', after.look)
  }
  return `/api/sightings?${parameters.toString()}`
}

export const sightings = {
  search: (path: string, signal: AbortSignal) => get<SightingPage>(path, undefined, signal),
  checkpoints: () => get<{ items: Checkpoint[] }>('/api/sightings/checkpoints'),
}
