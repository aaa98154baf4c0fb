import { expect, it } from 'vitest'

import { sent } from './draft'

it('a mask is sent with no more digits than a picture has', () => {
  expect(sent([{ name: ' 窗 ', points: [[1 / 3, 2 / 3], [0, 0], [1, 1]] }])).toEqual([{ name: '窗', points: [[0.3333, 0.6667], [0, 0], [1, 1]] }])
})
