export default {
  title: '书签',
  add: '添加书签',
  note: '备注',
  noteHint: '看到了什么，例如：白色面包车经过',
  noteMissing: '请写一句备注，方便以后查找',
  by: '{author} 于 {at} 添加',
  saved: '书签已保存，可在回放时间轴上找到',
  deleted: '书签已删除',
}
