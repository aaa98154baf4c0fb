export default {
  label: '时间范围',
  lastDay: '最近 24 小时',
  lastDays: '最近 {days} 天',
  own: '自定义时间',
  from: '从',
  to: '到',
}
