/** Codes of grid cells: what they say, and the browser's own reader where there is one. */
interface Detector {
  detect(source: CanvasImageSource): Promise<{ rawValue: string }[]>
}

declare global {
  interface Window {
    BarcodeDetector?: new (options: { formats: string[] }) => Detector
  }
}

/** Of the address that a code holds, or of the bare code; null for something else. */
export function gridOf(text: string): string | null {
  const found = /#grid=([^&\s]{1,60})$/.exec(text)
  if (found?.[1]) return decodeURIComponent(found[1])
  return /^[A-Za-z0-9_.-]{2,60}$/.test(text.trim()) ? text.trim() : null
}

export const canScan = (): boolean => window.BarcodeDetector !== undefined && Boolean(navigator.mediaDevices?.getUserMedia)

/** Looks through the camera until a cell's code is seen, or `stopped`. Null when stopped. @throws where there is no camera */
export async function scan(video: HTMLVideoElement, stopped: AbortSignal): Promise<string | null> {
  const Reader = window.BarcodeDetector
  if (!Reader) return null
  const reader = new Reader({ formats: ['qr_code'] })
  const stream = await navigator.mediaDevices.getUserMedia({ video: { facingMode: 'environment' } })
  try {
    video.srcObject = stream
    await video.play()
    while (!stopped.aborted) {
      for (const one of await reader.detect(video)) {
        const grid = gridOf(one.rawValue)
        if (grid !== null) return grid
      }
      await new Promise((resolve) => setTimeout(resolve, 150))
    }
    return null
  } finally {
    video.srcObject = null
    for (const track of stream.getTracks()) track.stop()
  }
}
