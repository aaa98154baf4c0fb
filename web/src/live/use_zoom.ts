/** Digital zoom of what fills a box: the wheel enlarges, dragging moves. */
import { ref, type Ref } from 'vue'

import { panBy, WHOLE, zoomAt, type Zoom } from './zoom'

export function useZoom(box: Ref<HTMLElement | undefined>) {
  const zoom = ref<Zoom>(WHOLE)
  let drag: { id: number; x: number; y: number } | null = null

  function wheel(event: WheelEvent): void {
    const bounds = box.value?.getBoundingClientRect()
    if (bounds === undefined) return
    const x = (event.clientX - bounds.left) / bounds.width - 0.5
    const y = (event.clientY - bounds.top) / bounds.height - 0.5
    zoom.value = zoomAt(zoom.value, Math.exp(-event.deltaY * 0.002), x, y)
  }

  function grab(event: PointerEvent): void {
    if (zoom.value.scale === 1 || event.button !== 0) return
    drag = { id: event.pointerId, x: event.clientX, y: event.clientY }
    box.value?.setPointerCapture(event.pointerId)
  }

  function pan(event: PointerEvent): void {
    const bounds = box.value?.getBoundingClientRect()
    if (drag === null || drag.id !== event.pointerId || bounds === undefined) return
    zoom.value = panBy(zoom.value, (event.clientX - drag.x) / bounds.width, (event.clientY - drag.y) / bounds.height)
    drag = { ...drag, x: event.clientX, y: event.clientY }
  }

  function release(): void {
    drag = null
  }

  return { zoom, wheel, grab, pan, release }
}
