import * as fc from 'fast-check'
import { expect, it } from 'vitest'

import { boxOf, pointsOf } from './box'

const share = fc.double({ min: 0, max: 1, noNaN: true })

it('a box and its corners are the same thing', () => {
  fc.assert(
    fc.property(share, share, share, share, (x1, y1, x2, y2) => {
      const box = [Math.min(x1, x2), Math.min(y1, y2), Math.max(x1, x2), Math.max(y1, y2)] as const
      expect(boxOf(pointsOf(box))).toEqual(box)
    }),
  )
})
