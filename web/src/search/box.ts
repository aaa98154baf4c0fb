/** A box in a picture: its corners, and what it cuts out. */
import type { Point } from '@/api/privacy'

import type { Box } from './api'

export function boxOf(points: readonly Point[]): Box {
  const xs = points.map((point) => point[0])
  const ys = points.map((point) => point[1])
  return [Math.min(...xs), Math.min(...ys), Math.max(...xs), Math.max(...ys)]
}

export const pointsOf = ([left, top, right, bottom]: Box): Point[] => [[left, top], [right, top], [right, bottom], [left, bottom]]

const SIDE_PX = 256

/** That part of a picture, as a small picture of its own; null where the browser cannot. */
export function cutOut(image: HTMLImageElement, [left, top, right, bottom]: Box): string | null {
  const width = (right - left) * image.naturalWidth
  const height = (bottom - top) * image.naturalHeight
  if (!(width >= 1 && height >= 1)) return null
  const scale = Math.min(1, SIDE_PX / Math.max(width, height))
  const canvas = document.createElement('canvas')
  canvas.width = Math.max(1, Math.round(width * scale))
  canvas.height = Math.max(1, Math.round(height * scale))
  const context = canvas.getContext('2d')
  if (context === null) return null
  context.drawImage(image, left * image.naturalWidth, top * image.naturalHeight, width, height, 0, 0, canvas.width, canvas.height)
  try {
    return canvas.toDataURL('image/jpeg', 0.85)
  } catch {
    return null
  }
}
