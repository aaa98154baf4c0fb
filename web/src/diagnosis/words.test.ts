import { describe, expect, it } from 'vitest'

import { messages, type Words } from '@/locales'

import { adviceText, figuresText, foundText, STEPS, stepText } from './words'

/** As docs/http-api.md lists them. */
const CODES: Readonly<Record<string, readonly string[]>> = {
  name: ['resolved', 'is_address', 'unresolved', 'no_address'],
  reach: ['reachable', 'closed_port', 'unreachable', 'timed_out'],
  platform: ['online', 'offline', 'refused', 'connecting', 'disabled', 'no_platform'],
  stream: ['live', 'no_sub', 'camera_disabled', 'not_held', 'closed_port', 'silent', 'refused'],
  picture: ['good', 'not_h264_h265', 'h265', 'b_frames', 'long_gop', 'no_picture'],
  same_picture: ['same_shape', 'other_shape', 'sub_not_smaller', 'no_sub'],
  loss: ['none', 'some', 'much', 'not_measured'],
  clock: ['right', 'off', 'far_off', 'unknown'],
  recording: ['recording', 'not_recording', 'off'],
  history: ['steady', 'flapping'],
}

describe('a diagnosis', () => {
  it('has words for every step and code', () => {
    for (const step of STEPS) expect(stepText(step)).not.toBe(step)
    for (const [step, codes] of Object.entries(CODES)) for (const code of codes) expect([step, foundText({ step, code })]).not.toEqual([step, code])
  })

  it('says what to do only where something is wrong', () => {
    expect(adviceText({ step: 'picture.main', code: 'long_gop', result: 'warn' })).not.toBe('')
    expect(adviceText({ step: 'picture.main', code: 'long_gop', result: 'ok' })).toBe('')
  })

  it('gives advice for codes that there are', () => {
    const advice = ((messages['zh-CN']['diagnosis'] as Words)['advice'] ?? {}) as Words
    for (const [step, codes] of Object.entries(advice)) for (const code of Object.keys(codes as Words)) expect(CODES[step]).toContain(code)
  })

  it('shows figures, and nothing where there are none', () => {
    expect(figuresText({ step: 'picture.main', result: 'ok', code: 'good', codec: 'h264', width: 1920, height: 1080, frames_per_second: 25, bitrate_bps: 2_000_000, gop_s: 2 })).toContain(
      '1920×1080 · 25 fps · 2.00 Mbit/s',
    )
    expect(figuresText({ step: 'reach', result: 'fail', code: 'timed_out', host: '10.1.2.3', port: 554, connect_ms: null })).toBe('10.1.2.3:554')
    expect(figuresText({ step: 'clock', result: 'skip', code: 'unknown' })).toBe('')
  })
})
