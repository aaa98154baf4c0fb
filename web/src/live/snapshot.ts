/** A picture of what a video element shows now, saved as a file. */

import { drawMark, type Mark } from '@/mark/draw'

/** `Gate 3_2026-11-21_20-15-30.jpg`: local time, nothing that a file system forbids. */
export function snapshotName(camera: string, at_us: number, extension: 'jpg' | 'png'): string {
  const at = new Date(at_us / 1000)
  const two = (value: number): string => String(value).padStart(2, '0')
  const day = `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())}`
  const time = `${two(at.getHours())}-${two(at.getMinutes())}-${two(at.getSeconds())}`
  const safe = camera.replace(/[\\/:*?"<>|\u0000-\u001f]+/g, '-').trim() || 'camera'
  return `${safe}_${day}_${time}.${extension}`
}

export function saveBlob(blob: Blob, name: string): void {
  const url = URL.createObjectURL(blob)
  const link = document.createElement('a')
  link.href = url
  link.download = name
  link.click()
  window.setTimeout(() => URL.revokeObjectURL(url), 60_000)
}

/** The picture in its own size, with the viewer's mark in it. Null when the element shows none. */
export async function pictureOf(video: HTMLVideoElement, extension: 'jpg' | 'png', mark: Mark): Promise<Blob | null> {
  if (video.videoWidth === 0) return null
  const canvas = document.createElement('canvas')
  canvas.width = video.videoWidth
  canvas.height = video.videoHeight
  const context = canvas.getContext('2d')
  if (context === null) return null
  context.drawImage(video, 0, 0)
  drawMark(context, canvas.width, canvas.height, mark)
  return await new Promise((resolve) =>
    canvas.toBlob(resolve, extension === 'jpg' ? 'image/jpeg' : 'image/png', 0.92),
  )
}
