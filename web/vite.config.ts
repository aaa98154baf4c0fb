import { fileURLToPath, URL } from 'node:url'
import vue from '@vitejs/plugin-vue'
import Components from 'unplugin-vue-components/vite'
import { ElementPlusResolver } from 'unplugin-vue-components/resolvers'
import ElementPlus from 'unplugin-element-plus/vite'
import { defineConfig } from 'vitest/config'

const gateway = process.env['GRIDSIGHT_GATEWAY'] ?? 'http://127.0.0.1:8080'

export default defineConfig({
  plugins: [
    vue(),
    Components({
      dirs: [],
      dts: 'src/components.d.ts',
      resolvers: [ElementPlusResolver({ importStyle: 'css' })],
    }),
    // Styles of components imported by name in scripts (ElMessage, ElMessageBox).
    ElementPlus({}),
  ],
  resolve: { alias: { '@': fileURLToPath(new URL('./src', import.meta.url)) } },
  build: {
    // Chromium 86 is what 360, QQ and the domestic Linux desktops still ship.
    target: 'chrome86',
    cssTarget: 'chrome86',
    modulePreload: { polyfill: false },
    // The console, and the page of the people in the field.
    rollupOptions: { input: ['index.html', 'field/index.html'].map((page) => fileURLToPath(new URL(page, import.meta.url))) },
    // The map, which is fetched when somebody first looks at one, is the largest.
    chunkSizeWarningLimit: 1000,
  },
  server: {
    proxy: {
      '/api': { target: gateway, ws: true },
      '/s/': { target: gateway, ws: true },
      // Codecs of meetings; `/m/MEETING` itself is the guests' page.
      '^/m/[^/]+/wh[ei]p': { target: gateway },
    },
  },
  // A document only for those who ask for one: it takes most of the time.
  test: { environment: 'node', include: ['src/**/*.test.ts'] },
})
