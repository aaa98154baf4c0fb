"""The words of a plan, in both languages."""

from __future__ import annotations

from collections.abc import Mapping

from gateway.capacity.coefficients import Locale

WORDS: Mapping[str, Mapping[Locale, str]] = {
    "title": {
        "en": "Plan for {cameras} cameras at {mbps} Mbit/s, {days} days",
        "zh-CN": "容量规划：{cameras} 路摄像机，{mbps} Mbit/s，保存 {days} 天",
    },
    "more": {
        "en": "watched at once {viewers} · meeting sites {meeting_sites} · analysed {analysed} · "
        "GB/T 28181 {gb28181} · machines of each kind that may be lost {nodes_lost} · "
        "keyframe each {gop_s} s · segments of {segment_s} s",
        "zh-CN": "同时观看 {viewers} 路 · 会场 {meeting_sites} 个 · 智能分析 {analysed} 路 · "
        "GB/T 28181 {gb28181} 路 · 每类可损失 {nodes_lost} 台 · 关键帧间隔 {gop_s} 秒 · "
        "分段 {segment_s} 秒",
    },
    "shape": {
        "en": "a machine: {cores} cores, {memory_gib} GiB, {network_gbps} Gbit/s; "
        "one of the store: {disks} disks of {disk_tb} TB",
        "zh-CN": "单机：{cores} 核、{memory_gib} GiB、{network_gbps} Gbit/s；"
        "存储机：{disks} 块 {disk_tb} TB 硬盘",
    },
    "machines": {"en": "Machines", "zh-CN": "机器"},
    "role": {"en": "for", "zh-CN": "用途"},
    "count": {"en": "machines", "zh-CN": "台数"},
    "spare": {"en": "spare", "zh-CN": "其中备用"},
    "cores": {"en": "cores", "zh-CN": "核"},
    "memory": {"en": "memory", "zh-CN": "内存"},
    "network": {"en": "each in / out", "zh-CN": "单机入 / 出"},
    "network_all": {"en": "all in / out", "zh-CN": "合计入 / 出"},
    "scarcest": {"en": "decided by", "zh-CN": "取决于"},
    "all": {"en": "all", "zh-CN": "合计"},
    "role.media": {"en": "media", "zh-CN": "媒体"},
    "role.api": {"en": "API", "zh-CN": "API"},
    "role.analysis": {"en": "analysis", "zh-CN": "分析"},
    "role.database": {"en": "database", "zh-CN": "数据库"},
    "role.store": {"en": "store", "zh-CN": "存储"},
    "by.cores": {"en": "cores", "zh-CN": "CPU"},
    "by.memory": {"en": "memory", "zh-CN": "内存"},
    "by.network": {"en": "network", "zh-CN": "网络"},
    "by.disks": {"en": "disks", "zh-CN": "硬盘"},
    "by.redundancy": {"en": "redundancy", "zh-CN": "冗余"},
    "by.nothing": {"en": "not needed", "zh-CN": "不需要"},
    "shards": {"en": "media processes (shards)", "zh-CN": "媒体进程（shard）"},
    "disks_title": {"en": "Disks", "zh-CN": "磁盘"},
    "spool": {
        "en": "spool of the media machines, SSD (each {each})",
        "zh-CN": "媒体机本地缓存，SSD（每台 {each}）",
    },
    "footage": {"en": "footage, headers included", "zh-CN": "录像（含封装）"},
    "crops": {"en": "pictures of passages", "zh-CN": "经过截图"},
    "vectors": {"en": "vectors of likeness", "zh-CN": "相似度向量"},
    "store_raw": {
        "en": "store, redundancy and headroom included",
        "zh-CN": "存储裸容量（含冗余与余量）",
    },
    "store_disks": {
        "en": "its disks of {disk_tb} TB, spare included",
        "zh-CN": "所需 {disk_tb} TB 硬盘数（含备用）",
    },
    "requests_title": {"en": "S3 and rows", "zh-CN": "S3 与数据库写入"},
    "put": {"en": "objects written a second (PUT)", "zh-CN": "每秒写入对象（PUT）"},
    "objects": {"en": "objects in the store", "zh-CN": "存储中的对象数"},
    "rows": {"en": "rows written a second", "zh-CN": "每秒写入行数"},
    "database_title": {"en": "Database and index", "zh-CN": "数据库与索引"},
    "segments": {"en": "segments ({count})", "zh-CN": "分段（{count} 条）"},
    "gops": {"en": "of which index of fragments", "zh-CN": "其中片段索引"},
    "passages": {"en": "passages ({count})", "zh-CN": "经过（{count} 条）"},
    "audit": {"en": "register ({count} records)", "zh-CN": "审计（{count} 条）"},
    "database": {"en": "all", "zh-CN": "合计"},
    "one_machine": {
        "en": "One machine carries all of it, with SQLite and a directory: nothing is spare.",
        "zh-CN": "一台机器即可承载全部（SQLite 与本地目录）：没有备用。",
    },
    "warnings": {"en": "Think over", "zh-CN": "请注意"},
    "warning.many_objects": {
        "en": "{put_per_s} objects a second: "
        "set recording.segment_s = {segment_s} (--segment-s {segment_s})",
        "zh-CN": "每秒 {put_per_s} 个对象："
        "请设置 recording.segment_s = {segment_s}（--segment-s {segment_s}）",
    },
    "warning.writer_busy": {
        "en": "segments alone take {percent} % of what one writer was measured to take: "
        "use longer segments",
        "zh-CN": "仅分段写入就达单写入者实测能力的 {percent} %：请加长分段",
    },
    "warning.database_outgrown": {
        "en": "the database needs the {scarcest} of {times} such machines, and cannot be divided: "
        "give it a larger one, or divide the county among gateways",
        "zh-CN": "数据库需要相当于 {times} 台机器的资源（{scarcest}），且不可拆分："
        "请用更大的机器，或分成多个网关",
    },
    "warning.below_30_days": {
        "en": "{days} days are fewer than the 30 that are required of public security video",
        "zh-CN": "{days} 天少于公共安全视频要求的 30 天",
    },
    "warning.nothing_spare": {
        "en": "no machine may be lost: recording stops where one fails",
        "zh-CN": "没有备用机器：单机故障会中断录像",
    },
    "origins": {
        "en": "Where these figures come from",
        "zh-CN": "数据来源",
    },
    "origins_note": {
        "en": "{measured} measured, {estimated} estimated, {chosen} chosen as margins. What was "
        "measured was measured on the machine named, not on yours: measure again with "
        "python -m benchmarks.NAME.",
        "zh-CN": "实测 {measured} 项，估计 {estimated} 项，选定余量 {chosen} 项。"
        "实测值来自所列机器，并非您的机器；可用 python -m benchmarks.NAME 重新测量。",
    },
    "measured": {
        "en": "measured: benchmarks.{benchmark}, n = {n}, {date}, machine {machine}",
        "zh-CN": "实测：benchmarks.{benchmark}，n = {n}，{date}，机器 {machine}",
    },
    "estimated": {"en": "ESTIMATED: {reason}", "zh-CN": "估计：{reason}"},
    "chosen": {"en": "chosen: {reason}", "zh-CN": "选定：{reason}"},
    "machine": {"en": "machine {number}: {machine}", "zh-CN": "机器 {number}：{machine}"},
    "error.out_of_range": {
        "en": "{option} is {value}: give a number from {least} to {most}",
        "zh-CN": "{option} 为 {value}：请填写 {least} 到 {most} 之间的数",
    },
    "error.sub_above_main": {
        "en": "--sub-mbps ({sub_mbps}) is more than --mbps ({mbps}): "
        "the sub-stream is the smaller one",
        "zh-CN": "--sub-mbps（{sub_mbps}）大于 --mbps（{mbps}）：子码流应小于主码流",
    },
    "error.more_than_cameras": {
        "en": "{option} is {value}, but there are only {cameras} cameras",
        "zh-CN": "{option} 为 {value}，但只有 {cameras} 路摄像机",
    },
    "error.gop_above_segment": {
        "en": "--gop-s ({gop_s}) is longer than --segment-s ({segment_s}): "
        "a segment begins with a keyframe and holds at least one GOP",
        "zh-CN": "--gop-s（{gop_s}）大于 --segment-s（{segment_s}）："
        "每个分段以关键帧开头，至少含一个 GOP",
    },
}


def say(key: str, locale: Locale, **values: object) -> str:
    """A sentence with its values. Raises KeyError for one that nobody has written."""
    return WORDS[key][locale].format(**values)
