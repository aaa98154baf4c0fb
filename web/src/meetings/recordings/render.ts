/** How far the one MP4 is. */
import type { Render } from './api'

/** Whether it is being made, so that looking again is worth it. */
export const isRendering = (render: Render | null): boolean => render?.state === 'queued' || render?.state === 'running'

/** Null where none is being made; a hundred only once it is done. */
export function renderPercent(render: Render | null): number | null {
  if (render === null || !isRendering(render)) return null
  return render.total_us <= 0 ? 0 : Math.min(99, Math.floor((render.done_us / render.total_us) * 100))
}
