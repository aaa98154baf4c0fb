/** A stream's settings while somebody changes them. */
import type { EncoderSettings, EncoderStream } from '@/api/encoder'

export interface EncoderDraft {
  codec: string
  /** `1920x1080` */
  size: string
  frames_per_second: number | undefined
  kilobits_per_s: number | undefined
  gop_pictures: number | undefined
}

export const sizeOf = (width: number, height: number): string => `${width}x${height}`

export const draftOf = (stream: EncoderStream): EncoderDraft => ({
  codec: stream.codec,
  size: sizeOf(stream.width, stream.height),
  frames_per_second: stream.frames_per_second,
  kilobits_per_s: Math.round(stream.bitrate_bps / 1000),
  gop_pictures: stream.gop_pictures,
})

/** What the device offers for a codec, with what it has now. */
export function codecsOf(stream: EncoderStream): string[] {
  return [...new Set([stream.codec, ...stream.choices.map(({ codec }) => codec)])].filter((codec) => codec === 'h264' || codec === 'h265')
}

export function sizesOf(stream: EncoderStream, codec: string): string[] {
  const offered = stream.choices.find((one) => one.codec === codec)?.resolutions ?? []
  const sizes = offered.map(([width, height]) => ({ width, height }))
  if (codec === stream.codec) sizes.push({ width: stream.width, height: stream.height })
  sizes.sort((one, other) => other.width * other.height - one.width * one.height)
  return [...new Set(sizes.map(({ width, height }) => sizeOf(width, height)))]
}

/** Least and most; none where the device does not say. */
export function boundsOf(stream: EncoderStream, codec: string, name: 'frames_per_second' | 'bitrate_bps' | 'gop_pictures'): { min: number; max?: number } {
  const [min, max] = stream.choices.find((one) => one.codec === codec)?.[name] ?? [0, 0]
  return max > 0 ? { min, max } : { min: 1 }
}

/** Only what is another than now: devices mind what they are told. */
export function changesOf(stream: EncoderStream, draft: EncoderDraft): Partial<EncoderSettings> {
  const changes: Partial<EncoderSettings> = {}
  const before = draftOf(stream)
  if (draft.codec !== before.codec) changes.codec = draft.codec
  if (draft.size !== before.size) {
    const [width, height] = draft.size.split('x').map(Number)
    if (width && height) Object.assign(changes, { width, height })
  }
  if (draft.frames_per_second && draft.frames_per_second !== before.frames_per_second) changes.frames_per_second = draft.frames_per_second
  if (draft.kilobits_per_s && draft.kilobits_per_s !== before.kilobits_per_s) changes.bitrate_bps = draft.kilobits_per_s * 1000
  if (draft.gop_pictures && draft.gop_pictures !== before.gop_pictures) changes.gop_pictures = draft.gop_pictures
  return changes
}
