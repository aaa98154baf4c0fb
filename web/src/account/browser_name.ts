/** "Chromium 128, Windows" from a User-Agent; empty when it says nothing we know. */
const BROWSERS: readonly (readonly [RegExp, string])[] = [
  [/Edg\/(\d+)/, 'Edge'],
  [/QQBrowser\/(\d+)/, 'QQ'],
  [/(?:QIHU|360SE|360EE)[ /]?(\d*)/, '360'],
  [/UOS|UBrowser\/(\d+)/, 'UOS'],
  [/Firefox\/(\d+)/, 'Firefox'],
  [/(?:Headless)?Chrome\/(\d+)/, 'Chrome'],
  [/Version\/(\d+).*Safari/, 'Safari'],
]
const SYSTEMS: readonly (readonly [RegExp, string])[] = [
  [/Windows/, 'Windows'],
  [/Android/, 'Android'],
  [/iPhone|iPad/, 'iOS'],
  [/HarmonyOS/, 'HarmonyOS'],
  [/Mac OS X/, 'macOS'],
  [/Linux/, 'Linux'],
]

export function browserOf(agent: string | null): string {
  if (agent === null) return ''
  const known = BROWSERS.map(([pattern, name]) => [pattern.exec(agent), name] as const).find(([match]) => match !== null)
  const system = SYSTEMS.find(([pattern]) => pattern.test(agent))?.[1]
  const browser = known === undefined ? agent.split(/[ /]/)[0] : `${known[1]} ${known[0]?.[1] ?? ''}`.trim()
  return [browser, system].filter((part) => part !== undefined && part !== '').join(', ')
}
