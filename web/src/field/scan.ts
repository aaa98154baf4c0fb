/** Codes of grid cells: what they say, and how they are read, by the browser itself or by us. */
interface Detector {
  detect(source: CanvasImageSource): Promise<{ rawValue: string }[]>
}

declare global {
  interface Window {
    BarcodeDetector?: (new (options: { formats: string[] }) => Detector) & { getSupportedFormats?: () => Promise<string[]> }
  }
}

/** Of a picture so large; what the code in it says, null where none is to be read. */
type Read = (picture: CanvasImageSource, width: number, height: number) => Promise<string | null>

const AGAIN_MS = 150
/** A code that is held before the lens is large in the picture; what is smaller is read faster. */
const SIDE_PX = 720
/** Of a photograph the code may be a small part. */
const PHOTO_SIDES_PX = [SIDE_PX, 1600]

/** Of the address that a code holds, or of the bare code; null for something else. */
export function gridOf(text: string): string | null {
  const found = /#grid=([^&\s]{1,60})$/.exec(text)
  if (found?.[1]) return decodeURIComponent(found[1])
  return /^[A-Za-z0-9_.-]{2,60}$/.test(text.trim()) ? text.trim() : null
}

export const canScan = (): boolean => Boolean(navigator.mediaDevices?.getUserMedia)

/** The browser's own reader where it reads these codes: it is quicker. Ours is fetched if it must. */
async function openReader(): Promise<Read> {
  const Own = window.BarcodeDetector
  if (Own) {
    const formats = (await Own.getSupportedFormats?.().catch(() => [])) ?? ['qr_code']
    if (formats.includes('qr_code')) {
      const own = new Own({ formats: ['qr_code'] })
      return async (picture) => (await own.detect(picture))[0]?.rawValue ?? null
    }
  }
  const { default: decode } = await import('qr/decode.js')
  const canvas = document.createElement('canvas')
  const context = canvas.getContext('2d', { willReadFrequently: true })
  return async (picture, width, height) => {
    if (context === null || width === 0 || height === 0) return null
    canvas.width = width
    canvas.height = height
    context.drawImage(picture, 0, 0, width, height)
    try {
      return decode(context.getImageData(0, 0, width, height))
    } catch {
      return null
    }
  }
}

function fitted(width: number, height: number, side: number): [number, number] {
  const share = Math.min(1, side / Math.max(width, height, 1))
  return [Math.round(width * share), Math.round(height * share)]
}

/** Looks through the camera until a cell's code is seen, or `stopped`. Null when stopped. @throws where there is no camera */
export async function scan(video: HTMLVideoElement, stopped: AbortSignal): Promise<string | null> {
  const stream = await navigator.mediaDevices.getUserMedia({ video: { facingMode: 'environment' } })
  try {
    const read = await openReader()
    video.srcObject = stream
    await video.play()
    while (!stopped.aborted) {
      const said = await read(video, ...fitted(video.videoWidth, video.videoHeight, SIDE_PX))
      const grid = said === null ? null : gridOf(said)
      if (grid !== null) return grid
      await new Promise((resolve) => setTimeout(resolve, AGAIN_MS))
    }
    return null
  } finally {
    video.srcObject = null
    for (const track of stream.getTracks()) track.stop()
  }
}

/** The cell whose code was photographed; null where none is to be read. */
export async function gridInPhoto(photo: Blob): Promise<string | null> {
  const url = URL.createObjectURL(photo)
  try {
    const picture = new Image()
    picture.src = url
    await picture.decode()
    const read = await openReader()
    for (const side of PHOTO_SIDES_PX) {
      const said = await read(picture, ...fitted(picture.naturalWidth, picture.naturalHeight, side))
      if (said !== null) return gridOf(said)
    }
    return null
  } catch {
    return null
  } finally {
    URL.revokeObjectURL(url)
  }
}
