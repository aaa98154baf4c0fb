/** Keeps the rows of the timeline filled for the view, with a margin, no more often than needed. */

import { isAbort } from '@/api/errors'
import { holds, type Hold } from '@/api/evidence'
import type { Interval, Timeline } from '@/api/types'

import { fetchDeviceRecordings, fetchTimeline } from '../engine/footage_api'
import { merge, subtract } from '../engine/intervals'
import type { Row } from './draw'
import { span, type View } from './view'

const DEBOUNCE_MS = 120
const REFRESH_MS = 5_000
/** Devices answer slowly and are asked for no more than this at once. */
const DEVICE_SPAN_LIMIT_US = 31 * 86_400_000_000
const DEVICE_KEPT_MS = 60_000

interface OnDevice {
  range: Interval
  at_ms: number
  recordings: Interval[]
}

interface Loaded {
  range: Interval
  resolution_us: number
  at_ms: number
  answer: Timeline
  holds: Hold[]
}

/** Who may not know of holds is shown none; the timeline does not wait for more than that. */
async function fetchHolds(camera_id: string, range: Interval, signal: AbortSignal): Promise<Hold[]> {
  try {
    return (await holds.list({ camera_id, start_us: range.start_us, end_us: range.end_us }, signal)).items
  } catch {
    return []
  }
}

export class RowsLoader {
  failed = false
  private loaded = new Map<string, Loaded>()
  private flights = new Map<string, AbortController>()
  private devices = new Map<string, OnDevice>()
  private deviceFlights = new Set<string>()
  private timer: ReturnType<typeof setTimeout> | null = null
  private closed = false

  constructor(
    private onChange: () => void,
    private onServerNow: (now_us: number) => void,
    private hasDevice: (camera_id: string) => boolean = () => false,
  ) {}

  /** Ask for what the view needs and is not held in good enough detail. */
  want(camera_ids: readonly string[], view: View, width: number): void {
    for (const held of this.loaded.keys()) if (!camera_ids.includes(held)) this.loaded.delete(held)
    if (this.timer !== null) clearTimeout(this.timer)
    // The first load must not wait; what follows a turning wheel may.
    const pause = camera_ids.some((id) => !this.loaded.has(id) && !this.flights.has(id)) ? 0 : DEBOUNCE_MS
    this.timer = setTimeout(() => {
      for (const camera_id of camera_ids) {
        this.load(camera_id, view, width)
        if (this.hasDevice(camera_id)) this.loadDevice(camera_id, view)
      }
    }, pause)
  }

  /** Ask again, whatever is held: a bookmark was changed. */
  refresh(camera_ids: readonly string[], view: View, width: number): void {
    for (const held of this.loaded.values()) held.at_ms = -Infinity
    this.want(camera_ids, view, width)
  }

  row(camera_id: string): Row {
    const answer = this.loaded.get(camera_id)?.answer
    const spans = answer?.spans ?? []
    const recordings = this.devices.get(camera_id)?.recordings ?? []
    return {
      camera_id,
      spans,
      added: answer?.added ?? [],
      on_device: recordings.flatMap((one) => subtract(one, spans)),
      gaps: answer?.gaps ?? [],
      bookmarks: answer?.bookmarks ?? [],
      holds: this.loaded.get(camera_id)?.holds ?? [],
    }
  }

  close(): void {
    this.closed = true
    if (this.timer !== null) clearTimeout(this.timer)
    for (const flight of this.flights.values()) flight.abort()
  }

  /** What only the device has: asked for apart, so that nobody waits for a slow one. */
  private loadDevice(camera_id: string, view: View): void {
    if (span(view) > DEVICE_SPAN_LIMIT_US || this.deviceFlights.has(camera_id)) return
    const held = this.devices.get(camera_id)
    const covers = held && held.range.start_us <= view.start_us && held.range.end_us >= view.end_us
    if (covers && performance.now() - held.at_ms < DEVICE_KEPT_MS) return
    const margin_us = Math.min(span(view), (DEVICE_SPAN_LIMIT_US - span(view)) / 2)
    const range = { start_us: Math.max(0, view.start_us - margin_us), end_us: view.end_us + margin_us }
    this.deviceFlights.add(camera_id)
    fetchDeviceRecordings(camera_id, range)
      .then((answer) => merge(answer.recordings))
      .catch(() => held?.recordings ?? [])
      .then((recordings) => this.devices.set(camera_id, { range, at_ms: performance.now(), recordings }))
      .finally(() => {
        this.deviceFlights.delete(camera_id)
        if (!this.closed) this.onChange()
      })
  }

  private load(camera_id: string, view: View, width: number): void {
    const wide = span(view)
    const resolution_us = wide / Math.max(1, width)
    const held = this.loaded.get(camera_id)
    const now_us = held?.answer.now_us ?? Infinity
    const covers = held && held.range.start_us <= view.start_us && held.range.end_us >= view.end_us
    const fine = held && held.resolution_us <= resolution_us * 1.5
    const growing = view.end_us > now_us - 60e6
    const old = held && performance.now() - held.at_ms > REFRESH_MS && growing
    const asked_again = held && held.at_ms === -Infinity
    if (covers && fine && !old && !asked_again) return
    this.flights.get(camera_id)?.abort()
    const controller = new AbortController()
    this.flights.set(camera_id, controller)
    const range = {
      start_us: Math.max(0, Math.floor(view.start_us - wide)),
      end_us: Math.ceil(view.end_us + wide),
    }
    Promise.all([
      fetchTimeline(camera_id, range, resolution_us, controller.signal),
      fetchHolds(camera_id, range, controller.signal),
    ])
      .then(([answer, held]) => {
        this.failed = false
        answer.spans = merge(answer.spans)
        this.loaded.set(camera_id, { range, resolution_us, at_ms: performance.now(), answer, holds: held })
        this.onServerNow(answer.now_us)
      })
      .catch((error: unknown) => {
        if (!isAbort(error)) this.failed = true
      })
      .finally(() => {
        if (this.flights.get(camera_id) === controller) this.flights.delete(camera_id)
        if (!this.closed) this.onChange()
      })
  }
}
