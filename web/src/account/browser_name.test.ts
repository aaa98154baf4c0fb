import { describe, expect, it } from 'vitest'

import { browserOf } from './browser_name'

describe('the name of a browser', () => {
  it.each([
    ['Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/128.0.0.0 Safari/537.36 Edg/128.0', 'Edge 128, Windows'],
    ['Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) HeadlessChrome/130.0.0.0 Safari/537.36', 'Chrome 130, Linux'],
    ['Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0', 'Firefox 128, Linux'],
    ['Python-urllib/3.11', 'Python-urllib'],
  ])('is read from its User-Agent', (agent, name) => {
    expect(browserOf(agent)).toBe(name)
  })

  it('is empty when there is none', () => {
    expect(browserOf(null)).toBe('')
  })
})
