import { describe, expect, it } from 'vitest'

import { takenCodecs } from './publish'

const h264 = (line: string) => ({ mimeType: 'video/H264', sdpFmtpLine: line })
const KNOWN = [
  { mimeType: 'video/VP8' },
  { mimeType: 'video/rtx' },
  h264('level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42001f'),
  h264('level-asymmetry-allowed=1;packetization-mode=0;profile-level-id=42001f'),
  { mimeType: 'video/AV1' },
]

describe('what a telephone offers when it goes live', () => {
  it('is H.264 in packets of any size, and repairs', () => {
    expect(takenCodecs(KNOWN)).toEqual([KNOWN[1], KNOWN[2]])
  })

  it('is nothing where the browser makes no H.264', () => {
    expect(takenCodecs([{ mimeType: 'video/VP8' }])).toEqual([])
  })
})
