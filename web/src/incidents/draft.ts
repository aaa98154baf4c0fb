/** An incident that is opened from what a camera shows: its place and its footage are filled in. */
import { areaLabels } from '@/areas/labels'
import type { Camera } from '@/api/types'

import type { IncidentForm, Origin } from './api'

const BEFORE_US = 10_000_000
const AFTER_US = 20_000_000

export interface Moment {
  origin: Origin
  /** What it is opened from, so that it is opened once. */
  origin_id: string
  start_us: number
  end_us: number
  title?: string
  /** Who opens it may attach footage. */
  mayPlayBack: boolean
}

export function draftOf(camera: Pick<Camera, 'id' | 'name' | 'area_id' | 'area_path'>, moment: Moment): Partial<IncidentForm> {
  areaLabels[camera.area_id] ??= camera.area_path.join(' / ')
  const footage = { kind: 'footage' as const, subject_id: camera.id, name: camera.name, start_us: Math.round(moment.start_us - BEFORE_US), end_us: Math.round(moment.end_us + AFTER_US) }
  return {
    origin: moment.origin, origin_id: moment.origin_id, area_id: camera.area_id, camera_id: camera.id, happened_us: Math.round(moment.start_us), place: camera.name, title: moment.title ?? '',
    attachments: moment.mayPlayBack ? [footage] : [],
  }
}
