import './polyfills'

import 'element-plus/theme-chalk/base.css'
import 'element-plus/theme-chalk/dark/css-vars.css'
import './styles/tokens.css'
import './styles/element.css'
import './styles/base.css'
import './styles/form.css'
import './styles/menus.css'
import './styles/table.css'

import { createPinia } from 'pinia'
import { createApp } from 'vue'

import App from './App.vue'
import { i18n } from './locales'
import { router } from './router'

createApp(App).use(createPinia()).use(i18n).use(router).mount('#app')
