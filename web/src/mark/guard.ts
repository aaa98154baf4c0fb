/**
 * Notices when the viewer's mark is taken from the picture, so that the picture can go too.
 *
 * A deterrent, not a lock: whoever controls the browser can get round it, but not by deleting an
 * element or by a line of CSS.
 */
const LEAST_SHARE = 0.9

/** What must hold of the mark while the picture's box can be seen; a word for what does not. */
export function whatIsWrong(mark: HTMLElement, box: HTMLElement): string | null {
  if (mark.parentElement !== box) return 'removed'
  const around = box.getBoundingClientRect()
  if (around.width < 2 || around.height < 2 || getComputedStyle(box).visibility !== 'visible') return null
  const style = getComputedStyle(mark)
  if (style.display === 'none' || style.visibility !== 'visible') return 'hidden'
  if (Number(style.opacity) < 0.99 || (style.filter !== 'none' && style.filter !== '')) return 'faded'
  if (style.clipPath !== 'none' && style.clipPath !== '') return 'clipped'
  if (Number(style.zIndex) < 1 || Number.isNaN(Number(style.zIndex))) return 'covered'
  const own = mark.getBoundingClientRect()
  const width = Math.min(own.right, around.right) - Math.max(own.left, around.left)
  const height = Math.min(own.bottom, around.bottom) - Math.max(own.top, around.top)
  if (width < around.width * LEAST_SHARE || height < around.height * LEAST_SHARE) return 'moved'
  return null
}

/** Watches until the returned function is called; `onRemoved` is called once. */
export function guard(mark: HTMLElement, box: HTMLElement, onRemoved: (how: string) => void): () => void {
  let ended = false
  const stop = (): void => {
    ended = true
    observer.disconnect()
    window.clearInterval(timer)
  }
  const look = (): void => {
    // A box that has left the page takes its picture with it.
    if (ended || !box.isConnected) return
    const how = whatIsWrong(mark, box)
    if (how === null) return
    stop()
    onRemoved(how)
  }
  const observer = new MutationObserver(look)
  observer.observe(box, { childList: true })
  observer.observe(mark, { attributes: true })
  const timer = window.setInterval(look, 1000)
  return stop
}
