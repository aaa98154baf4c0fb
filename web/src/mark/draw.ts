/** The viewer's name and the time, as they lie over a picture and are burnt into one. */

export interface Mark {
  /** Faint and repeated all over the picture. */
  name: string
  /** One line in the corner, to be read. */
  line: string
}

const FONT = "'Noto Sans CJK SC', 'Microsoft YaHei', 'PingFang SC', sans-serif"
const SLOPE = -Math.PI / 9

/** Paints over `width` × `height` pixels, the line `raise_px` above the lower edge; clears nothing. */
export function drawMark(
  context: CanvasRenderingContext2D,
  width: number,
  height: number,
  mark: Mark,
  raise_px = 0,
): void {
  const small_px = Math.max(10, Math.min(width, height) / 26)
  context.save()
  context.textBaseline = 'alphabetic'
  context.font = `${small_px}px ${FONT}`
  repeat(context, width, height, mark.name, small_px)
  context.globalAlpha = 0.82
  const margin = small_px * 0.45
  context.lineWidth = Math.max(2, small_px / 5)
  context.lineJoin = 'round'
  context.strokeStyle = '#000'
  context.fillStyle = '#fff'
  const room = width - 2 * margin
  const foot = height - raise_px - margin
  context.strokeText(mark.line, margin, foot, room)
  context.fillText(mark.line, margin, foot, room)
  context.restore()
}

/** White and black beside each other: one of them is seen on any picture. */
function repeat(context: CanvasRenderingContext2D, width: number, height: number, name: string, px: number): void {
  const step_x = context.measureText(name).width + px * 5
  const step_y = px * 6
  const reach = Math.hypot(width, height)
  context.save()
  context.translate(width / 2, height / 2)
  context.rotate(SLOPE)
  for (let y = -reach / 2, line = 0; y < reach / 2; y += step_y, line += 1) {
    for (let x = -reach / 2 - (line % 2) * (step_x / 2); x < reach / 2; x += step_x) {
      context.globalAlpha = 0.13
      context.fillStyle = '#000'
      context.fillText(name, x + 1, y + 1)
      context.globalAlpha = 0.17
      context.fillStyle = '#fff'
      context.fillText(name, x, y)
    }
  }
  context.restore()
}
