/** By the gateway's error codes: what happened and what to do about it. */
export default {
  sign_in_required: '登录已过期，请重新登录。',
  not_allowed: '您没有此项权限。如工作需要，请联系系统管理员授权。',
  not_found: '找不到该内容，可能已被删除，或您无权查看。请刷新后再试。',
  conflict: '与现有内容冲突（例如重名），请修改后再试。',
  invalid: '填写的内容有误，请检查标出的各项。',
  too_many_attempts: '尝试次数过多，请 {seconds} 秒后再试。',
  unavailable: '服务暂时不可用，请稍后再试；若持续出现，请查看“系统”页。',
  unreachable: '无法连接到网关。请检查网线和网络，系统会自动重连。',
  server_fault: '网关内部出错，已写入日志。请重试；若再次出现，请联系管理员。',
  restream_off: 'RTSP 转发未启用，请管理员在配置中打开 restream.enabled。',
  queued: '转码资源已占满，正在排队，请稍候。',
  wrong_password: '用户名或密码不正确，请检查大小写后再试。',
  password_too_weak: '新密码太弱：至少 10 个字符，且不能与用户名相同。',
  unplayable: '此浏览器无法播放该视频格式，请换用新版浏览器，或改看子码流。',
  unknown: '操作失败（{code}）：{message}',
}
