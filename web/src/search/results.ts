/** What an answer that comes line by line has told so far. */
import type { AlsoSeen, Coverage, Hit, SearchLine } from './api'

export interface Result {
  hit: Hit
  also_seen: AlsoSeen | null
}

export interface Results {
  /** Carries the purpose to further pages and pictures. */
  look: string
  totalCameras: number
  items: Result[]
  coverage: Coverage | null
  nextCursor: string | null
  /** The last line came: what is not among the items was not found. */
  whole: boolean
  /** It broke off on the gateway's side. */
  fault: { code: string; message: string } | null
}

export const noResults = (): Results => ({ look: '', totalCameras: 0, items: [], coverage: null, nextCursor: null, whole: false, fault: null })

/** The lines of one answer, taken up in order; lines of a kind that is not known are left alone. */
export function takeUp(results: Results, lines: readonly SearchLine[]): Results {
  const next = { ...results }
  const items: Result[] = []
  const known = new Set(results.items.map(({ hit }) => hit.id))
  for (const line of lines) {
    switch (line.type) {
      case 'search':
        next.look = line.look
        next.totalCameras = line.total_cameras
        break
      case 'hit':
        // A page that is asked for again, and footage that is indexed meanwhile, may tell one twice.
        if (known.has(line.hit.id)) break
        known.add(line.hit.id)
        items.push({ hit: line.hit, also_seen: line.also_seen ?? null })
        break
      case 'coverage': {
        const { items: uncovered, left_out, seconds_asked, seconds_indexed } = line
        next.coverage = { items: uncovered, left_out, seconds_asked, seconds_indexed }
        break
      }
      case 'error':
        next.fault = { code: line.code, message: line.message }
        break
      case 'end':
        next.whole = true
        next.nextCursor = line.next_cursor
        break
    }
  }
  if (items.length > 0) next.items = [...results.items, ...items]
  return next
}

/** Lines that come in a burst are one change for the page. */
export class Gathered<Line> {
  private waiting: Line[] = []
  private frame = 0

  constructor(private readonly give: (lines: Line[]) => void) {}

  add(line: Line): void {
    this.waiting.push(line)
    if (this.frame === 0) this.frame = window.setTimeout(() => this.flush(), 50)
  }

  flush(): void {
    window.clearTimeout(this.frame)
    this.frame = 0
    if (this.waiting.length === 0) return
    const lines = this.waiting
    this.waiting = []
    this.give(lines)
  }

  /** What still waits belongs to nobody any more. */
  drop(): void {
    window.clearTimeout(this.frame)
    this.frame = 0
    this.waiting = []
  }
}

export interface UncoveredCamera {
  camera_id: string
  camera_name: string
  length_us: number
  stretches: { start_us: number; end_us: number; why: string }[]
}

/** By camera, those of which the most is missing first. */
export function byCamera(coverage: Coverage): UncoveredCamera[] {
  const cameras = new Map<string, UncoveredCamera>()
  for (const { camera_id, camera_name, start_us, end_us, why } of coverage.items) {
    let camera = cameras.get(camera_id)
    if (camera === undefined) {
      camera = { camera_id, camera_name, length_us: 0, stretches: [] }
      cameras.set(camera_id, camera)
    }
    camera.length_us += end_us - start_us
    camera.stretches.push({ start_us, end_us, why })
  }
  return [...cameras.values()].sort((a, b) => b.length_us - a.length_us)
}

const NO_FOOTAGE: ReadonlySet<string> = new Set(['no_footage', 'expired'])

/** How much of what there is footage of was looked at, 0 to 1; null where that cannot be told. */
export function coveredOfFootage({ items, left_out, seconds_asked, seconds_indexed }: Coverage): number | null {
  const without_s = items.reduce((sum, { start_us, end_us, why }) => (NO_FOOTAGE.has(why) ? sum + (end_us - start_us) / 1e6 : sum), 0)
  const there_s = seconds_asked - without_s
  return left_out > 0 || without_s === 0 || there_s < 1 ? null : Math.min(1, Math.max(0, seconds_indexed / there_s))
}

/** How much of what was asked for was looked at, 0 to 1; null where nothing was asked for. */
export const coveredShare = ({ seconds_asked, seconds_indexed }: Coverage): number | null =>
  seconds_asked > 0 ? Math.min(1, Math.max(0, seconds_indexed / seconds_asked)) : null
