/** Paints the timeline on a canvas; all lengths in CSS pixels, the context already scaled. */

import type { Hold } from '@/api/evidence'
import type { AddedSpan, Bookmark, Gap, Interval } from '@/api/types'

import { bars, gapBars } from './marks'
import { grid, tickLabel } from './ticks'
import { xOf, type View } from './view'

export interface Row {
  camera_id: string
  spans: readonly Interval[]
  /** Which parts of the spans are not the gateway's own recording. */
  added: readonly AddedSpan[]
  /** What only the camera's own device has. */
  on_device: readonly Interval[]
  gaps: readonly Gap[]
  bookmarks: readonly Bookmark[]
  holds: readonly Hold[]
}

export interface Palette {
  surface: string
  raised: string
  line: string
  line_strong: string
  text: string
  muted: string
  accent: string
  recorded: string
  gap: string
  bookmark: string
  hold: string
  now: string
}

export interface Scene {
  view: View
  rows: readonly Row[]
  width: number
  height: number
  ruler: number
  font: string
  font_px: number
  palette: Palette
  position_us: number
  hover_us: number | null
  now_us: number
  mark_in_us: number | null
  mark_out_us: number | null
  selected: string | null
  utc_offset_minutes: number
  causeWords(cause: string): string
  nowWord: string
  onDeviceWords: string
  addedWords(kind: AddedSpan['kind']): string
}

export function rowHeight(scene: { height: number; ruler: number; rows: readonly unknown[] }): number {
  return (scene.height - scene.ruler) / Math.max(1, scene.rows.length)
}

export function draw(context: CanvasRenderingContext2D, scene: Scene): void {
  const { width, height, palette } = scene
  context.clearRect(0, 0, width, height)
  context.fillStyle = palette.surface
  context.fillRect(0, 0, width, height)
  drawGrid(context, scene)
  scene.rows.forEach((row, number) => drawRow(context, scene, row, number))
  drawMarks(context, scene)
  drawNow(context, scene)
  drawHover(context, scene)
  drawPlayhead(context, scene)
}

function drawGrid(context: CanvasRenderingContext2D, scene: Scene): void {
  const { view, width, height, ruler, palette, utc_offset_minutes } = scene
  context.fillStyle = palette.raised
  context.fillRect(0, 0, width, ruler)
  const room = (scene.font_px * 6.2) / Math.max(1, width)
  const { step_us, ticks } = grid(view, Math.min(0.5, room), utc_offset_minutes)
  context.font = scene.font
  context.textBaseline = 'middle'
  context.textAlign = 'left'
  const now = nowLabel(context, scene)
  for (const tick of ticks) {
    const x = Math.round(xOf(view, tick.us, width)) + 0.5
    context.strokeStyle = tick.midnight ? palette.line_strong : palette.line
    context.lineWidth = 1
    context.beginPath()
    context.moveTo(x, tick.midnight ? 0 : ruler * 0.55)
    context.lineTo(x, height)
    context.stroke()
    const label = tickLabel(tick, step_us, utc_offset_minutes)
    // The word "now" is in the way of at most one label, which goes.
    const end = x + 8 + context.measureText(label).width
    if (end > now.start && x < now.end) continue
    context.fillStyle = tick.midnight ? palette.text : palette.muted
    context.fillText(label, x + 4, ruler / 2)
  }
}

function drawRow(context: CanvasRenderingContext2D, scene: Scene, row: Row, number: number): void {
  const { view, width, ruler, palette } = scene
  const tall = rowHeight(scene)
  const top = ruler + number * tall
  const inset = Math.max(1, Math.min(4, tall * 0.14))
  const y = top + inset
  const bar = tall - inset * 2
  if (row.camera_id === scene.selected && scene.rows.length > 1) {
    context.fillStyle = palette.raised
    context.fillRect(0, top, width, tall)
  }
  context.fillStyle = palette.recorded
  for (const { x, width: wide } of bars(row.spans, view, width)) context.fillRect(x, y, wide, bar)
  for (const kind of ['import', 'backfill', 'borrowed'] as const) {
    const added = row.added.filter((one) => one.kind === kind)
    for (const { x, width: wide } of bars(added, view, width)) drawAdded(context, scene, kind, x, y, wide, bar)
  }
  for (const { x, width: wide, gap } of gapBars(row.gaps, view, width)) {
    drawGap(context, scene, x, y, wide, bar, gap)
  }
  for (const { x, width: wide } of bars(row.on_device, view, width)) drawOnDevice(context, scene, x, y, wide, bar)
  context.strokeStyle = palette.line
  context.beginPath()
  context.moveTo(0, Math.round(top + tall) - 0.5)
  context.lineTo(width, Math.round(top + tall) - 0.5)
  context.stroke()
  for (const hold of row.holds) drawHold(context, scene, hold, y, bar)
  for (const bookmark of row.bookmarks) drawBookmark(context, scene, bookmark, y, bar)
}

/** What came later: recorded, with a row of notches along its foot, and named where there is room. */
function drawAdded(
  context: CanvasRenderingContext2D,
  scene: Scene,
  kind: AddedSpan['kind'],
  x: number,
  y: number,
  wide: number,
  bar: number,
): void {
  const { palette } = scene
  const notch = Math.max(2, Math.min(5, bar * 0.28))
  context.fillStyle = palette.surface
  for (let at = Math.ceil(x / (notch * 2)) * notch * 2; at + notch <= x + wide; at += notch * 2) {
    context.fillRect(at, y + bar - notch, notch, notch)
  }
  nameBar(context, scene, scene.addedWords(kind), x, y, wide, bar)
}

/** What only the device has: an outline and dots, never the solid of what is kept here. */
function drawOnDevice(
  context: CanvasRenderingContext2D,
  scene: Scene,
  x: number,
  y: number,
  wide: number,
  bar: number,
): void {
  const { palette } = scene
  context.fillStyle = palette.surface
  context.fillRect(x, y, wide, bar)
  context.fillStyle = palette.recorded
  const step = 6
  for (let row = 0; row * step < bar - 2; row += 1) {
    const shift = row % 2 ? step / 2 : 0
    for (let at = Math.ceil((x - shift) / step) * step + shift; at < x + wide - 1; at += step) {
      context.fillRect(at, y + 2 + row * step, 1.6, 1.6)
    }
  }
  context.strokeStyle = palette.recorded
  context.lineWidth = 1.5
  if (wide > 3) context.strokeRect(x + 0.75, y + 0.75, wide - 1.5, bar - 1.5)
  else context.fillRect(x, y, wide, bar)
  nameBar(context, scene, scene.onDeviceWords, x, y, wide, bar)
}

/** Hatched, lower than what is recorded, and named where there is room: three signs beside colour. */
function drawGap(
  context: CanvasRenderingContext2D,
  scene: Scene,
  x: number,
  y: number,
  wide: number,
  bar: number,
  gap: Gap,
): void {
  const { palette } = scene
  context.save()
  context.beginPath()
  context.rect(x, y, wide, bar)
  context.clip()
  context.fillStyle = palette.surface
  context.fillRect(x, y, wide, bar)
  context.fillStyle = palette.gap
  context.globalAlpha = 0.45
  context.fillRect(x, y, wide, bar)
  context.globalAlpha = 1
  context.strokeStyle = palette.gap
  context.lineWidth = 1.6
  context.beginPath()
  for (let at = Math.floor((x - bar) / 7) * 7; at < x + wide; at += 7) {
    context.moveTo(at, y + bar)
    context.lineTo(at + bar, y)
  }
  context.stroke()
  context.restore()
  nameBar(context, scene, scene.causeWords(gap.cause), x, y, wide, bar)
}

/** Words in the middle of a bar, where they fit. */
function nameBar(
  context: CanvasRenderingContext2D,
  scene: Scene,
  words: string,
  x: number,
  y: number,
  wide: number,
  bar: number,
): void {
  const { palette } = scene
  if (wide < scene.font_px * 3 || bar < scene.font_px * 0.95) return
  context.font = scene.font
  context.textBaseline = 'middle'
  const length = context.measureText(words).width
  if (length + 10 > wide) return
  const at = Math.max(4, x + (wide - length) / 2)
  context.fillStyle = palette.surface
  context.fillRect(at - 4, y + bar / 2 - scene.font_px * 0.65, length + 8, scene.font_px * 1.3)
  context.fillStyle = palette.text
  context.fillText(words, at, y + bar / 2 + 0.5)
}

/** A brace below what is held, with ends, and a padlock where there is room. */
function drawHold(context: CanvasRenderingContext2D, scene: Scene, hold: Interval, y: number, bar: number): void {
  const { view, width, palette } = scene
  const from = Math.max(-4, xOf(view, hold.start_us, width))
  const to = Math.min(width + 4, Math.max(from + 3, xOf(view, hold.end_us, width)))
  if (to < 0 || from > width) return
  const foot = y + bar
  context.fillStyle = palette.hold
  context.fillRect(from, foot - 3, to - from, 3)
  context.fillRect(from, foot - bar * 0.55, 2, bar * 0.55)
  context.fillRect(to - 2, foot - bar * 0.55, 2, bar * 0.55)
  if (to - from < 16 || bar < 12) return
  const x = Math.max(4, from + 4)
  context.fillRect(x, foot - 10, 8, 6)
  context.strokeStyle = palette.hold
  context.lineWidth = 1.5
  context.beginPath()
  context.arc(x + 4, foot - 10, 2.5, Math.PI, 0)
  context.stroke()
}

function drawBookmark(
  context: CanvasRenderingContext2D,
  scene: Scene,
  bookmark: Bookmark,
  y: number,
  bar: number,
): void {
  const { view, width, palette } = scene
  const x = xOf(view, bookmark.at_us, width)
  const end = bookmark.end_us === null ? x : xOf(view, bookmark.end_us, width)
  if (end < -10 || x > width + 10) return
  const size = Math.max(4, Math.min(9, bar * 0.5))
  context.fillStyle = palette.bookmark
  context.strokeStyle = palette.surface
  context.lineWidth = 1
  if (end > x + 1) {
    context.fillRect(x, y, end - x, 3)
  }
  // A flag on a pole.
  context.fillRect(x - 0.75, y, 1.5, bar)
  context.beginPath()
  context.moveTo(x, y)
  context.lineTo(x + size * 1.3, y + size * 0.5)
  context.lineTo(x, y + size)
  context.closePath()
  context.fill()
  context.stroke()
}

function drawMarks(context: CanvasRenderingContext2D, scene: Scene): void {
  const { view, width, height, palette, mark_in_us, mark_out_us } = scene
  if (mark_in_us === null && mark_out_us === null) return
  const from = mark_in_us === null ? null : xOf(view, mark_in_us, width)
  const to = mark_out_us === null ? null : xOf(view, mark_out_us, width)
  if (from !== null && to !== null && to > from) {
    context.fillStyle = palette.accent
    context.globalAlpha = 0.22
    context.fillRect(from, 0, to - from, height)
    context.globalAlpha = 1
  }
  context.strokeStyle = palette.accent
  context.lineWidth = 2
  for (const [x, toward] of [
    [from, 1],
    [to, -1],
  ] as const) {
    if (x === null) continue
    context.beginPath()
    context.moveTo(x + toward * 6, 1)
    context.lineTo(x, 1)
    context.lineTo(x, height - 1)
    context.lineTo(x + toward * 6, height - 1)
    context.stroke()
  }
}

function drawNow(context: CanvasRenderingContext2D, scene: Scene): void {
  const { view, width, height, ruler, palette, now_us } = scene
  const x = xOf(view, now_us, width)
  if (x > width) return
  const from = Math.max(0, x)
  context.fillStyle = palette.line
  context.globalAlpha = 0.35
  context.fillRect(from, ruler, width - from, height - ruler)
  context.globalAlpha = 1
  if (x < 0) return
  context.strokeStyle = palette.now
  context.lineWidth = 1.5
  context.setLineDash([4, 3])
  context.beginPath()
  context.moveTo(x, ruler)
  context.lineTo(x, height)
  context.stroke()
  context.setLineDash([])
  context.fillStyle = palette.now
  context.fillText(scene.nowWord, nowLabel(context, scene).start + 4, ruler / 2)
}

/** Where the word "now" stands on the ruler; nowhere when now is not in view. */
function nowLabel(context: CanvasRenderingContext2D, scene: Scene): { start: number; end: number } {
  const x = xOf(scene.view, scene.now_us, scene.width)
  if (x < 0 || x > scene.width) return { start: -1, end: -1 }
  context.font = scene.font
  const length = context.measureText(scene.nowWord).width + 8
  const start = Math.min(scene.width - length, x)
  return { start, end: start + length }
}

function drawHover(context: CanvasRenderingContext2D, scene: Scene): void {
  if (scene.hover_us === null) return
  const x = Math.round(xOf(scene.view, scene.hover_us, scene.width)) + 0.5
  context.strokeStyle = scene.palette.muted
  context.lineWidth = 1
  context.beginPath()
  context.moveTo(x, 0)
  context.lineTo(x, scene.height)
  context.stroke()
}

function drawPlayhead(context: CanvasRenderingContext2D, scene: Scene): void {
  const { view, width, height, ruler, palette } = scene
  const x = xOf(view, scene.position_us, width)
  if (x < -8 || x > width + 8) return
  context.strokeStyle = palette.surface
  context.lineWidth = 4
  context.beginPath()
  context.moveTo(x, ruler * 0.5)
  context.lineTo(x, height)
  context.stroke()
  context.strokeStyle = palette.text
  context.lineWidth = 2
  context.stroke()
  context.fillStyle = palette.text
  context.beginPath()
  context.moveTo(x - 6, ruler * 0.35)
  context.lineTo(x + 6, ruler * 0.35)
  context.lineTo(x + 6, ruler * 0.7)
  context.lineTo(x, ruler)
  context.lineTo(x - 6, ruler * 0.7)
  context.closePath()
  context.fill()
}
