/** What is carried when a camera or a tile is dragged over the wall. */
const CAMERA = 'application/x-gridsight-camera'
const TILE = 'application/x-gridsight-tile'

export type Dragged = { kind: 'camera'; camera_id: string } | { kind: 'tile'; index: number }

export function startDrag(event: DragEvent, dragged: Dragged): void {
  const carrier = event.dataTransfer
  if (carrier === null) return
  carrier.effectAllowed = 'copyMove'
  if (dragged.kind === 'camera') carrier.setData(CAMERA, dragged.camera_id)
  else carrier.setData(TILE, String(dragged.index))
}

export function isDragged(event: DragEvent): boolean {
  const types = event.dataTransfer?.types ?? []
  return types.includes(CAMERA) || types.includes(TILE)
}

export function droppedOf(event: DragEvent): Dragged | null {
  const camera_id = event.dataTransfer?.getData(CAMERA) ?? ''
  if (camera_id !== '') return { kind: 'camera', camera_id }
  const tile = event.dataTransfer?.getData(TILE) ?? ''
  return /^\d+$/.test(tile) ? { kind: 'tile', index: Number(tile) } : null
}
