import encode from 'qr'
import decode from 'qr/decode.js'
import { describe, expect, it } from 'vitest'

import { gridOf } from './scan'

/** The code as a camera would give it: RGBA, each module so many pixels. */
function seen(text: string, scale: number): { data: Uint8ClampedArray; width: number; height: number } {
  const modules = encode(text, 'raw', { border: 4 })
  const side = modules.length * scale
  const data = new Uint8ClampedArray(side * side * 4).fill(255)
  for (let y = 0; y < side; y += 1)
    for (let x = 0; x < side; x += 1)
      if (modules[Math.floor(y / scale)]?.[Math.floor(x / scale)]) data.fill(0, (y * side + x) * 4, (y * side + x) * 4 + 3)
  return { data, width: side, height: side }
}

describe('the code of a grid cell', () => {
  it('is read where the browser has no reader of its own', () => {
    const address = 'https://report.example/field/#grid=420881104203-07'
    expect(gridOf(decode(seen(address, 5)))).toBe('420881104203-07')
  })

  it('is the address of the page, or the bare code, and nothing else', () => {
    expect(gridOf('https://report.example/field/#grid=%E6%9D%91-1')).toBe('村-1')
    expect(gridOf(' 420881-07 ')).toBe('420881-07')
    expect(gridOf('https://elsewhere.example/pay?to=me')).toBeNull()
  })
})
