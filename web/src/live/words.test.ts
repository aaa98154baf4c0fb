import { readFileSync } from 'node:fs'

import { describe, expect, it } from 'vitest'

import type { VariantState } from '@/api/types'
import { hasWords } from '@/locales'

import { causeText, faultText } from './words'

const away: VariantState = {
  state: 'offline',
  since_us: 0,
  cause: 'camera_offline',
  detail: 'port 554 of 10.0.0.1 is closed',
  fault: 'closed_port',
  recording: false,
  viewers: 0,
}

describe('what is wrong with a camera', () => {
  it('is said in the language of the page, with what to do', () => {
    expect(causeText(away)).toBe('摄像机离线 (端口未开放：通常是 554，请确认摄像机已启用 RTSP)')
  })

  it('is the gateway’s own line where there are no words for it', () => {
    expect(causeText({ ...away, fault: 'something new' })).toBe('摄像机离线 (port 554 of 10.0.0.1 is closed)')
    expect(causeText({ ...away, cause: 'new', fault: null, detail: null })).toBe('离线')
    expect(faultText('new', 'a line')).toBe('a line')
  })

  it('has words for every code that the gateway documents', () => {
    const reference = readFileSync('../docs/http-api.md', 'utf8')
    const line = /^`fault` is .*$/m.exec(reference)?.[0] ?? ''
    const codes = [...line.slice(line.indexOf(' has too: ')).matchAll(/`(\w+)`/g)].map((match) => match[1] ?? '')
    expect(codes.length).toBeGreaterThan(10)
    expect(codes.filter((code) => !hasWords(`live.fault.${code}`))).toEqual([])
  })
})
