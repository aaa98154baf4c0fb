import './polyfills'

import 'element-plus/theme-chalk/base.css'
import 'element-plus/theme-chalk/dark/css-vars.css'
import './styles/tokens.css'
import './styles/element.css'
import './styles/base.css'
import './styles/form.css'
import './styles/menus.css'
import './styles/table.css'
import './styles/chips.css'

import { createPinia } from 'pinia'
import { createApp } from 'vue'

import App from './App.vue'
import { i18n } from './locales'
import { router } from './router'

// After an upgrade of the gateway the parts of an open console are gone: fetch the new one, but
// not again and again where something else is wrong.
const RELOADED = 'gridsight.reloaded_ms'
window.addEventListener('vite:preloadError', (event) => {
  if (Date.now() - Number(sessionStorage.getItem(RELOADED) ?? 0) < 60_000) return
  event.preventDefault()
  sessionStorage.setItem(RELOADED, String(Date.now()))
  window.location.reload()
})

createApp(App).use(createPinia()).use(i18n).use(router).mount('#app')
