import fc from 'fast-check'
import { describe, expect, it } from 'vitest'

import { betterStream, type Sizes } from './size'

const sizes = (more: Partial<Sizes>): Sizes => ({ variant: 'sub', shown_px: 300, asked_px: 300, main_px: 1080, sub_px: 360, has_sub: true, ...more })

describe('the stream for a height', () => {
  it('is the main one once the sub-stream would be enlarged by more than half', () => {
    expect(betterStream(sizes({ shown_px: 540 }))).toBeNull()
    expect(betterStream(sizes({ shown_px: 541 }))).toBe('main')
  })

  it('is the sub-stream again only well below that', () => {
    expect(betterStream(sizes({ variant: 'main', asked_px: 1000, shown_px: 500 }))).toBeNull()
    expect(betterStream(sizes({ variant: 'main', asked_px: 1000, shown_px: 400 }))).toBe('sub')
  })

  it('is left alone where there is no other, or none that is larger, or one cannot tell', () => {
    expect(betterStream(sizes({ shown_px: 2000, has_sub: false }))).toBeNull()
    expect(betterStream(sizes({ shown_px: 2000, main_px: 360 }))).toBeNull()
    expect(betterStream(sizes({ shown_px: 2000, variant: 'masked' }))).toBeNull()
    expect(betterStream(sizes({ shown_px: 0 }))).toBeNull()
  })

  it('is asked for at half the height where the size of the sub-stream is not known yet', () => {
    expect(betterStream(sizes({ variant: 'main', sub_px: null, asked_px: 1000, shown_px: 600 }))).toBeNull()
    expect(betterStream(sizes({ variant: 'main', sub_px: null, asked_px: 1000, shown_px: 400 }))).toBe('sub')
  })

  it('never goes to and fro at one height', () => {
    const height = fc.integer({ min: 1, max: 5000 })
    fc.assert(
      fc.property(height, height, height, height, (shown_px, asked_px, main_px, sub_px) => {
        const first = betterStream({ variant: 'sub', shown_px, asked_px, main_px, sub_px, has_sub: true })
        // Asked with what is shown, there is nothing more to ask, whatever came.
        for (const variant of ['main', 'sub']) expect(betterStream({ variant, shown_px, asked_px: shown_px, main_px, sub_px, has_sub: true })).toBeNull()
        if (first === 'main') expect(betterStream({ variant: 'main', shown_px, asked_px, main_px, sub_px, has_sub: true })).toBeNull()
      }),
    )
  })
})
