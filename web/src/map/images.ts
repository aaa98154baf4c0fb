/**
 * What is drawn for things on the map, made in the browser when it is first needed: a map's own
 * letters would be files of glyphs, and those of Chinese are many megabytes.
 */
import type { Map as MapLibreMap } from 'maplibre-gl'

import type { PlacedState } from './api'

const RATIO = 2
/** Of names that were on the map and are not any more. */
const NAMES_KEPT = 1500

export interface Colours {
  text: string
  halo: string
  live: string
  away: string
  idle: string
  off: string
  accent: string
  yellow: string
}

type Draw = (context: CanvasRenderingContext2D) => void

function picture(width: number, height: number, draw: Draw): ImageData {
  const canvas = document.createElement('canvas')
  canvas.width = Math.ceil(width * RATIO)
  canvas.height = Math.ceil(height * RATIO)
  const context = canvas.getContext('2d')
  if (context === null) throw new Error('no canvas')
  context.scale(RATIO, RATIO)
  draw(context)
  return context.getImageData(0, 0, canvas.width, canvas.height)
}

const font = (size_px: number, bold = false): string => `${bold ? '700 ' : ''}${size_px}px ${getComputedStyle(document.documentElement).getPropertyValue('--gs-font') || 'sans-serif'}`

/** A shape for each state: who does not tell colours apart sees it, too. */
function camera(state: PlacedState, chosen: boolean, colours: Colours): ImageData {
  const [size, middle] = [26, 13]
  return picture(size, size, (context) => {
    context.lineWidth = 2
    context.strokeStyle = colours.halo
    context.fillStyle = colours[state]
    context.beginPath()
    if (state === 'away') {
      context.moveTo(middle, 4)
      context.lineTo(22, 20)
      context.lineTo(4, 20)
      context.closePath()
    } else if (state === 'off') context.rect(7, 7, 12, 12)
    else context.arc(middle, middle, 7, 0, 2 * Math.PI)
    context.fill()
    context.stroke()
    if (state === 'idle') {
      context.beginPath()
      context.fillStyle = colours.halo
      context.arc(middle, middle, 3, 0, 2 * Math.PI)
      context.fill()
    }
    if (chosen) {
      context.beginPath()
      context.strokeStyle = colours.accent
      context.lineWidth = 3
      context.arc(middle, middle, 11, 0, 2 * Math.PI)
      context.stroke()
    }
  })
}

function cluster(count: string, away: boolean, colours: Colours): ImageData {
  const size = 30 + 4 * count.length
  return picture(size, size, (context) => {
    context.beginPath()
    context.arc(size / 2, size / 2, size / 2 - 2.5, 0, 2 * Math.PI)
    context.fillStyle = colours.accent
    context.fill()
    context.lineWidth = away ? 4 : 2
    context.strokeStyle = away ? colours.away : colours.halo
    context.stroke()
    context.fillStyle = '#fff'
    context.font = font(13, true)
    context.textAlign = 'center'
    context.textBaseline = 'middle'
    context.fillText(count, size / 2, size / 2 + 0.5)
  })
}

function name(text: string, size_px: number, colours: Colours): ImageData {
  const measuring = document.createElement('canvas').getContext('2d')
  if (measuring !== null) measuring.font = font(size_px)
  const width = Math.min(220, (measuring?.measureText(text).width ?? 100) + 8)
  return picture(width, size_px + 8, (context) => {
    context.font = font(size_px)
    context.textAlign = 'center'
    context.textBaseline = 'middle'
    context.lineJoin = 'round'
    context.lineWidth = 3.5
    context.strokeStyle = colours.halo
    context.strokeText(text, width / 2, size_px / 2 + 4, width - 6)
    context.fillStyle = colours.text
    context.fillText(text, width / 2, size_px / 2 + 4, width - 6)
  })
}

/** A pin with a letter or a mark in it. */
function pin(kind: string, colours: Colours): ImageData {
  const fill = ({ red: colours.away, yellow: colours.yellow, green: colours.live, paused: colours.idle } as Record<string, string>)[kind] ?? colours.accent
  return picture(28, 36, (context) => {
    context.beginPath()
    context.moveTo(14, 34)
    context.bezierCurveTo(4, 22, 2, 18, 2, 13)
    context.arc(14, 13, 12, Math.PI, 0)
    context.bezierCurveTo(26, 18, 24, 22, 14, 34)
    context.fillStyle = fill
    context.fill()
    context.lineWidth = 2
    context.strokeStyle = colours.halo
    context.stroke()
    context.fillStyle = '#fff'
    if (kind === 'worker') {
      context.beginPath()
      context.arc(14, 9.5, 3.5, 0, 2 * Math.PI)
      context.fill()
      context.beginPath()
      context.arc(14, 20, 6.5, Math.PI, 0)
      context.fill()
    } else {
      context.font = font(14, true)
      context.textAlign = 'center'
      context.textBaseline = 'middle'
      context.fillText({ red: '!', yellow: '…', green: '•', paused: '‖' }[kind] ?? '', 14, 13.5)
    }
  })
}

function imageOf(id: string, colours: Colours): ImageData | null {
  const [kind = '', one = '', ...rest] = id.split(':')
  if (kind === 'camera') return camera(one as PlacedState, rest[0] === 'chosen', colours)
  if (kind === 'cluster') return cluster(one, rest[0] === 'away', colours)
  if (kind === 'name') return name(id.slice(5), 12, colours)
  if (kind === 'area') return name(id.slice(5), 14, colours)
  return kind === 'pin' ? pin(one, colours) : null
}

/** Makes what the map asks for: `camera:STATE[:chosen]`, `cluster:COUNT:[away]`, `name:…`, `area:…`, `pin:KIND`. */
export function makeImages(map: MapLibreMap, colours: Colours): void {
  const names: string[] = []
  map.on('styleimagemissing', ({ id }: { id: string }) => {
    if (map.hasImage(id)) return
    const image = imageOf(id, colours)
    if (image === null) return
    map.addImage(id, image, { pixelRatio: RATIO })
    if (!id.startsWith('name:')) return
    names.push(id)
    const [oldest] = names
    if (names.length > NAMES_KEPT && oldest !== undefined) {
      names.shift()
      map.removeImage(oldest)
    }
  })
}
