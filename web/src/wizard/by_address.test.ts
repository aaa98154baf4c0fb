import { expect, it } from 'vitest'

import { readChannels, readLines, urlsOf } from './by_address'

it('reads channels as people write them', () => {
  expect(readChannels('3')).toEqual([3])
  expect(readChannels('1-4;7')).toEqual([1, 2, 3, 4, 7])
  for (const wrong of ['', '0', '4-1', '1-257', 'a']) expect(readChannels(wrong)).toBeNull()
})

it('makes a row of each camera and of each channel of a recorder, and names what it cannot read', () => {
  const { rows, wrong } = readLines('10.1.2.3, 东门\n10.1.2.9:8554\t石牌录像机\t1-2\n\n10.1.2.3, again\nhttp://x, y\n10.1.2.4, z, 0')
  expect(rows.map(({ key, name, channel }) => [key, name, channel])).toEqual([
    ['10.1.2.3', '东门', null],
    ['10.1.2.9:8554 #1', '石牌录像机 1', 1],
    ['10.1.2.9:8554 #2', '石牌录像机 2', 2],
  ])
  expect(wrong).toEqual(['http://x, y', '10.1.2.4, z, 0'])
})

it('takes a recorder’s addresses for channels, a camera’s else', () => {
  const template = { key: 'x', name: 'X', aliases: [], main: '/a', sub: '/b', nvr_main: '/n{c}', nvr_sub: '/s{c}' }
  const { rows } = readLines('10.1.2.3\n10.1.2.9,,5')
  expect(rows.map((row) => urlsOf(row, template).main_url)).toEqual(['rtsp://10.1.2.3/a', 'rtsp://10.1.2.9/n5'])
})
