// @vitest-environment jsdom
import { afterEach, describe, expect, it, vi } from 'vitest'

import { hasWords } from '@/locales'

import { loudness, microphoneCause, Talker, type TalkState } from './talker'

afterEach(() => vi.unstubAllGlobals())

const phases = (): { states: TalkState[]; talker: Talker } => {
  const states: TalkState[] = []
  return { states, talker: new Talker('cam', (state) => states.push(state)) }
}

describe('talking', () => {
  it('says what a browser minds, in words', () => {
    const causes = ['NotAllowedError', 'NotFoundError', 'NotReadableError', 'Odd'].map((name) => microphoneCause(new DOMException('', name)))
    expect(causes).toEqual(['microphone_denied', 'no_microphone', 'microphone_busy', 'microphone_failed'])
    for (const cause of [...causes, 'needs_https', 'no_connection', 'ended', 'talk_held', 'unsupported']) expect([cause, hasWords(`talk.causes.${cause}`)]).toEqual([cause, true])
  })

  it('needs HTTPS, and says so instead of failing without a word', async () => {
    vi.stubGlobal('isSecureContext', false)
    vi.stubGlobal('navigator', {})
    const { states, talker } = phases()
    talker.speak(true)
    await Promise.resolve()
    expect(states[states.length - 1]).toMatchObject({ phase: 'failed', cause: 'needs_https', speaking: false })
  })

  it('gives the microphone back when one hung up while the browser still asked', async () => {
    let give: (stream: MediaStream) => void = () => undefined
    const stop = vi.fn()
    const stream = { getTracks: () => [{ stop }], getAudioTracks: () => [] } as unknown as MediaStream
    vi.stubGlobal('navigator', { mediaDevices: { getUserMedia: () => new Promise<MediaStream>((resolve) => (give = resolve)) } })
    const { states, talker } = phases()
    talker.speak(true)
    talker.hangUp()
    give(stream)
    await vi.waitFor(() => expect(stop).toHaveBeenCalledOnce())
    expect(states[states.length - 1]).toMatchObject({ phase: 'idle' })
  })
})

describe('the level', () => {
  it('is nothing in silence, full at full scale, and between for speech', () => {
    expect(loudness(new Uint8Array(64).fill(128))).toBe(0)
    expect(loudness(new Uint8Array(64).map((_sample, index) => (index % 2 ? 255 : 0)))).toBeCloseTo(1, 1)
    const speech = loudness(new Uint8Array(64).map((_sample, index) => 128 + (index % 2 ? 10 : -10)))
    expect(speech).toBeGreaterThan(0.3)
    expect(speech).toBeLessThan(0.8)
  })
})
