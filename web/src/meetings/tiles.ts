/** Which pictures stand where: from layout, floor, speakers and the page that one looks at. */
import type { Participant } from './api'
import type { RoomState } from './room_state'
import type { SourceKind, Tile, WantedTile } from './wire'

export interface Place {
  participant_id: string
  kind: SourceKind
}

/** A place that the server fills: with whom the meeting shows to everybody. */
export const PROGRAM: Place = { participant_id: '*', kind: 'camera' }

/** The same, next in line: who speaks to a shared screen. */
export const SECOND: Place = { participant_id: '**', kind: 'camera' }

export interface Stage {
  /** The large one, always `PROGRAM`; null in a grid, and where nobody else is there. */
  main: Place | null
  /** Who is expected there until the server says. */
  expected: Place | null
  /** Who is asked for there; null leaves it to the server. */
  ask: Place | null
  /** Beside it, or the grid's page. */
  others: Place[]
  page: number
  pages: number
}

export interface Looking {
  /** Whom this page's user wants large; the chair's choice for everybody comes first. */
  own: string | null
  /** Whom one saw large last, so that a cough moves nothing. */
  last: string | null
  page: number
  /** Tiles of a grid's page. */
  perPage: number
  /** Tiles beside the large one. */
  beside: number
}

export const keyOf = ({ participant_id, kind }: Place): string => `${participant_id} ${kind}`

/** Whatever brings a picture without saying so: it has no page of ours. */
const ALWAYS_SEEN: readonly Participant['kind'][] = ['camera', 'recording', 'whip', 'sip']

export const isSeen = (one: Participant): boolean => one.device?.camera === true || ALWAYS_SEEN.includes(one.kind)

const RANK = { chair: 0, co_chair: 1, site: 2, observer: 3 } as const

function others(state: RoomState): Participant[] {
  const found = [...state.participants.values()].filter((one) => one.state === 'connected' && one.id !== state.you?.participant_id && (one.role !== 'observer' || ALWAYS_SEEN.includes(one.kind)))
  const order = new Map(found.map((one, index) => [one.id, index]))
  return found.sort((a, b) => Number(b.floor_us !== null) - Number(a.floor_us !== null) || RANK[a.role] - RANK[b.role] || (order.get(a.id) ?? 0) - (order.get(b.id) ?? 0))
}

/** Whom the server shows large, or next to it whoever has a claim: nobody is shown to themselves. */
export function expectedProgram(state: RoomState, last: string | null): Place | null {
  const there = others(state)
  const has = (id: string | null | undefined): id is string => there.some((one) => one.id === id)
  const place = (id: string): Place => ({ participant_id: id, kind: 'camera' })
  const program = state.meeting?.program
  if (has(program?.participant_id)) return { participant_id: program.participant_id, kind: program.kind }
  const pinned = state.meeting?.pinned
  if (has(pinned)) return place(pinned)
  const sharing = there.find((one) => one.device?.screen === true)
  if (sharing !== undefined) return { participant_id: sharing.id, kind: 'screen' }
  const floor = there.find((one) => one.floor_us !== null)
  if (floor !== undefined) return place(floor.id)
  const speaker = state.speaking.find(has)
  if (speaker !== undefined) return place(speaker)
  if (has(last)) return place(last)
  const first = there.find(isSeen) ?? there[0]
  return first === undefined ? null : place(first.id)
}

export function stageOf(state: RoomState, looking: Looking): Stage {
  const layout = state.meeting?.layout ?? 'speaker_grid'
  const there = others(state)
  if (layout === 'grid' && looking.own === null && state.meeting?.pinned == null) {
    const places: Place[] = there.flatMap((one) => [
      ...(one.device?.screen === true ? [{ participant_id: one.id, kind: 'screen' as const }] : []),
      { participant_id: one.id, kind: 'camera' as const },
    ])
    const pages = Math.max(1, Math.ceil(places.length / looking.perPage))
    const page = Math.min(Math.max(0, looking.page), pages - 1)
    return { main: null, expected: null, ask: null, others: places.slice(page * looking.perPage, (page + 1) * looking.perPage), page, pages }
  }
  const own = layout === 'speaker' || layout === 'screen' ? undefined : there.find((one) => one.id === looking.own)
  const large: Place | null = own === undefined ? expectedProgram(state, looking.last) : { participant_id: own.id, kind: own.device?.screen === true ? 'screen' : 'camera' }
  // The server fills it with whoever has a claim; where nobody else has one, it is ours to ask.
  const program = state.meeting?.program?.participant_id
  const isServers = own === undefined && program !== undefined && program !== state.you?.participant_id
  const main = large === null ? null : PROGRAM
  const beside = layout === 'speaker_grid' ? looking.beside : layout === 'speaker' ? 0 : Math.min(1, looking.beside)
  const speaking = new Map(state.speaking.map((id, index) => [id, index]))
  // Those who speak come into the row, and the row keeps its order.
  const row = there
    .filter((one) => large === null || one.id !== large.participant_id || large.kind === 'screen')
    .map((one, index) => ({ one, index, wanted: speaking.has(one.id) || one.hand_us !== null || one.floor_us !== null }))
    .sort((a, b) => Number(b.wanted) - Number(a.wanted) || Number(isSeen(b.one)) - Number(isSeen(a.one)) || a.index - b.index)
    .slice(0, beside)
    .sort((a, b) => a.index - b.index)
  const places = row.map(({ one }) => ({ participant_id: one.id, kind: 'camera' as const }))
  return { main, expected: large, ask: isServers ? null : large, others: layout === 'screen' && places.length > 0 ? [SECOND] : places, page: 0, pages: 1 }
}

/**
 * Slot → what is wanted in it. What already has a slot keeps it, so that no picture is asked for
 * anew; the first wanted come first where slots are few.
 */
export function assigned(slots: readonly string[], before: ReadonlyMap<string, string>, wanted: readonly string[]): Map<string, string> {
  const taking = wanted.slice(0, slots.length)
  const kept = new Map([...before].filter(([slot, key]) => slots.includes(slot) && taking.includes(key)))
  const held = new Set(kept.values())
  const free = slots.filter((slot) => !kept.has(slot))
  for (const key of taking) {
    if (held.has(key)) continue
    const slot = free.shift()
    if (slot === undefined) break
    kept.set(slot, key)
    held.add(key)
  }
  return kept
}

/** Heights are told in steps: a window that is dragged asks for nothing new at every pixel. */
const HEIGHTS = [90, 180, 360, 720, 1080]
export const stepped = (height_px: number): number => HEIGHTS.find((one) => one >= height_px * 0.8) ?? 1080

/** What to tell the server: the slots that are seen; nothing is sent for the others. */
export function viewOf(held: ReadonlyMap<string, string>, heights: ReadonlyMap<string, number>, ask: Place | null): WantedTile[] {
  return [...held].map(([slot, key]) => {
    const [participant_id = '', kind] = (key === keyOf(PROGRAM) && ask !== null ? keyOf(ask) : key).split(' ')
    return {
      slot,
      participant_id: participant_id.startsWith('*') ? null : participant_id,
      kind: kind === 'screen' ? 'screen' : 'camera',
      height_px: stepped(heights.get(key) ?? 0),
    }
  })
}

/** What stands in this place now, as the server says; the slot says where its picture comes. */
export function shownAt(tiles: readonly Tile[], held: ReadonlyMap<string, string>, place: Place): Tile | null {
  if (!place.participant_id.startsWith('*')) return tiles.find((one) => keyOf(one) === keyOf(place)) ?? null
  const slot = [...held].find(([, key]) => key === keyOf(place))?.[0]
  return tiles.find((one) => one.slot === slot) ?? null
}

export interface GridShape {
  columns: number
  rows: number
}

/** The arrangement of `count` pictures of 16:9 in which they are largest. */
export function gridShape(count: number, width: number, height: number): GridShape {
  if (count <= 1) return { columns: 1, rows: 1 }
  let best: GridShape = { columns: 1, rows: count }
  let largest = 0
  for (let columns = 1; columns <= count; columns += 1) {
    const rows = Math.ceil(count / columns)
    const tile = Math.min(width / columns, ((height / rows) * 16) / 9)
    if (tile > largest + 0.01) {
      largest = tile
      best = { columns, rows }
    }
  }
  return best
}

const PHONE = '(max-width: 700px)'
const PICTURES = 25
const PICTURES_ON_PHONE = 8

/** How many pictures a page of this size receives: its slots, and a page of the grid. */
export const picturesAtOnce = (): number => (window.matchMedia(PHONE).matches ? PICTURES_ON_PHONE : PICTURES)
