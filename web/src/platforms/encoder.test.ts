import { describe, expect, it } from 'vitest'

import type { EncoderStream } from '@/api/encoder'

import { boundsOf, changesOf, codecsOf, draftOf, sizesOf } from './encoder'

const stream: EncoderStream = {
  variant: 'main', codec: 'h265', width: 2560, height: 1440, frames_per_second: 25, bitrate_bps: 4_096_000, gop_pictures: 50,
  choices: [
    { codec: 'h264', resolutions: [[1280, 720], [1920, 1080]], frames_per_second: [1, 30], bitrate_bps: [32_000, 8_000_000], gop_pictures: [1, 400] },
    { codec: 'jpeg', resolutions: [[640, 360]], frames_per_second: [1, 5], bitrate_bps: [0, 0], gop_pictures: [0, 0] },
  ],
}

describe('a stream’s settings', () => {
  it('are sent only where they are others than now', () => {
    const draft = draftOf(stream)
    expect(changesOf(stream, draft)).toEqual({})
    expect(changesOf(stream, { ...draft, codec: 'h264', size: '1920x1080', kilobits_per_s: 2048 })).toEqual({ codec: 'h264', width: 1920, height: 1080, bitrate_bps: 2_048_000 })
    expect(changesOf(stream, { ...draft, gop_pictures: undefined, frames_per_second: 12.5 })).toEqual({ frames_per_second: 12.5 })
  })

  it('may be what the device offers, largest first, and what it has now', () => {
    expect(codecsOf(stream)).toEqual(['h265', 'h264'])
    expect(sizesOf(stream, 'h264')).toEqual(['1920x1080', '1280x720'])
    expect(sizesOf(stream, 'h265')).toEqual(['2560x1440'])
    expect(boundsOf(stream, 'h264', 'gop_pictures')).toEqual({ min: 1, max: 400 })
    expect(boundsOf(stream, 'h265', 'gop_pictures')).toEqual({ min: 1 })
  })
})
