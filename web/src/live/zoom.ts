/** Digital zoom: a picture enlarged by `scale` and shifted, in parts of the tile's size. */

export interface Zoom {
  /** 1 (whole picture) to 8. */
  scale: number
  /** Shift of the picture's centre, in parts of the tile: 0.1 is a tenth of its width. */
  x: number
  y: number
}

export const WHOLE: Zoom = { scale: 1, x: 0, y: 0 }
const MOST = 8

function within(zoom: Zoom): Zoom {
  const scale = Math.min(MOST, Math.max(1, zoom.scale))
  if (scale === 1) return WHOLE
  const most = (scale - 1) / 2
  return {
    scale,
    x: Math.min(most, Math.max(-most, zoom.x)),
    y: Math.min(most, Math.max(-most, zoom.y)),
  }
}

/**
 * Enlarges by `factor` so that the point under the pointer stays where it is.
 *
 * `pointerX`, `pointerY`: from the tile's centre, in parts of its size (-0.5 to 0.5).
 */
export function zoomAt(zoom: Zoom, factor: number, pointerX: number, pointerY: number): Zoom {
  const scale = Math.min(MOST, Math.max(1, zoom.scale * factor))
  const ratio = scale / zoom.scale
  return within({
    scale,
    x: pointerX - (pointerX - zoom.x) * ratio,
    y: pointerY - (pointerY - zoom.y) * ratio,
  })
}

/** Moves the picture by parts of the tile's size; never past its edge. */
export function panBy(zoom: Zoom, x: number, y: number): Zoom {
  return within({ scale: zoom.scale, x: zoom.x + x, y: zoom.y + y })
}

export function transformOf(zoom: Zoom): string {
  return zoom.scale === 1 ? 'none' : `translate(${zoom.x * 100}%, ${zoom.y * 100}%) scale(${zoom.scale})`
}
