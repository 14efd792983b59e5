"""Synonyms of our columns and values in the files of bureaus, companies and street offices.

Names are compared without case, blanks and punctuation. Names of ten letters are what a shapefile
keeps of longer ones; short ones such as ``gd`` are initials of the pinyin.
"""

from collections.abc import Sequence

COLUMNS: dict[str, dict[str, str]] = {
    "region": {
        "code": "code 代码 区划代码 行政区划代码 社区代码 社区编码 区划编码 编码 "
        "dm qhdm xzqdm sqdm sqbm xzqhdm",
        "name": "name 名称 社区名称 行政区名称 区划名称 mc sqmc xzqmc",
        "level": "level 级别 层级 jb",
        "parent_code": "parentcode parent 上级代码 上级编码 父级代码 sjdm ssjddm",
    },
    "compound": {
        "code": "code 编码 小区编码 小区编号 编号 代码 xqbm xqbh",
        "name": "name 名称 小区名称 xqmc mc",
        "gated": "gated 是否封闭 封闭小区 sffb",
        "region_code": "regioncode 社区代码 所属社区代码 社区编码 sqdm sqbm",
    },
    "building": {
        "code": "code 编码 建筑编码 楼栋编码 楼栋编号 建筑物编码 建筑编号 房屋编码 幢号 编号 jzwbm "
        "ldbm ldbh fwbm 标识码 bsm 楼栋id 建筑id buildingid buildingcode buildingno bldgid "
        "bldgcode bldid id",
        "name": "name 名称 楼栋名称 建筑名称 楼名 buildingname bldgname mc ldmc jzmc jzwmc",
        "address": "address addr 地址 门牌 门牌地址 详细地址 坐落 dz mpdz zl",
        "use": "use usage 用途 建筑用途 房屋用途 规划用途 使用性质 yt fwyt jzyt",
        "storeys_above": "storeysabove storeys floors levels floor 层数 地上层数 总层数 楼层数 "
        "楼层 cs dscs zcs lc",
        "storeys_below": "storeysbelow 地下层数 dxcs basements",
        "height_m": "heightm height 高度 建筑高度 楼高 gd jzgd",
        "structure": "structure 结构 建筑结构 结构类型 房屋结构 jg jzjg fwjg",
        "fire_class": "fireclass 耐火等级 nhdj",
        "year_built": "yearbuilt year 建成年份 建成年代 竣工年份 建造年份 建成时间 建造年代 "
        "jcnf jcnd jznd jznf",
        "high_rise": "highrise 高层 是否高层 sfgc",
        "households": "households 户数 总户数 住户数 居民户数 hs zhs",
        "population": "population 人口 人口数 总人口 居住人口 rk rks",
        "compound_code": "compoundcode 小区编码 小区代码 xqbm",
        "region_code": "regioncode community communityc 社区代码 社区编码 所属社区代码 sqdm sqbm",
    },
    "building_unit": {
        "code": "code 编码 单元编码 单元编号 编号 dybm dybh",
        "building_code": "buildingcode buildingco 楼栋编码 建筑编码 所属楼栋 楼栋编号 ldbm jzwbm",
        "name": "name 名称 单元 单元名称 单元号 mc dymc dyh",
        "address": "address addr 地址 门牌 门牌地址 详细地址 dz mpdz",
        "storeys": "storeys 层数 楼层 cs",
        "households": "households 户数 住户数 hs",
        "population": "population 人口 人口数 rk",
    },
    "facility": {
        "code": "code 编码 编号 代码 设施编码 设施编号 标识码 facilityid facilitycode id bm "
        "bh ssbm",
        "category": "category type class 类别 类型 设施类别 设施类型 大类 lb lx sslx",
        "name": "name 名称 设施名称 单位名称 facilityname mc ssmc",
        "phone": "phone tel telephone 电话 联系电话 dh lxdh",
        "address": "address addr 地址 详细地址 dz",
        "region_code": "regioncode 社区代码 社区编码 所属社区代码 sqdm",
        "staff_count": "staffcount staff 人员数 人数 队员人数 站员人数 编制人数 执勤人数",
        "station_class": "stationclass 消防站等级 消防站类别 站级 消防救援站等级",
    },
    "road": {
        "code": "code 编码 道路编码 道路编号 路段编号 编号 标识码 roadid roadcode dlbm "
        "dlbh ldbh id",
        "road_class": "roadclass class 道路等级 道路类型 等级 类型 dldj dllx",
        "name": "name 名称 道路名称 路名 roadname mc dlmc",
        "width_m": "widthm width 宽度 路宽 道路宽度 路面宽度 kd lk",
        "clear_height_m": "clearheightm clearheigh 净高 限高 xg jg",
        "max_weight_t": "maxweightt maxweight 限重 载重 xz",
        "slope_percent": "slopepercent slope 坡度 pd",
        "lanes": "lanes 车道数 cds",
        "oneway": "oneway 单行 单向 单行道 dx",
        "surface": "surface 路面 路面材料 路面类型 lmlx",
        "fire_lane": "firelane 消防车道 消防通道 xfcd",
        "bridge": "bridge 桥 桥梁 是否桥梁",
        "tunnel": "tunnel 隧道 是否隧道",
    },
    "railway": {
        "code": "code 编码 编号 id",
        "name": "name 名称 mc",
        "bridge": "bridge 桥",
        "tunnel": "tunnel 隧道",
    },
    "water": {
        "code": "code 编码 编号 id",
        "kind": "kind type 类型 类别 水系类型 lx",
        "name": "name 名称 水系名称 mc",
        "width_m": "widthm width 宽度 河宽",
        "covered": "covered 暗渠 是否暗渠",
    },
    "pipe_node": {
        "code": "code 编码 编号 物探点号 管点编号 点号 图上点号 nodeid nodecode gdbh dh wtdh id",
        "network": "network 管线种类 管网类型 管线类型 管类 gxzl gxlx",
        "kind": "kind type 类型 附属物 附属物名称 附属物类型 附属设施 特征 特征点 点类型 fsw tz",
        "feature": "feature 特征 特征点 tz",
        "name": "name 名称 mc",
        "is_open": "isopen 开关状态 开关 开闭状态 阀门状态 kgzt",
        "in_service": "inservice 在用 是否完好 完好状态 使用状态 运行状态 设备状态 状态 zt",
        "flow_l_s": "flowls flow 流量 ll",
        "pressure_mpa": "pressurempa pressurem pressure 压力 水压 yl sy",
        "burial_depth_m": "burialdepthm burialdept depth 埋深 ms",
        "hydrant_type": "hydranttype 消火栓类型 消火栓形式 消防栓类型 消火栓型式 安装形式",
        "building_code": "buildingcode 楼栋编码 建筑编码",
    },
    "pipe_segment": {
        "code": "code 编码 编号 管段编号 管段编码 管线编号 管线编码 管线段编号 gxbh gxdbh gdbh "
        "pipeid pipecode lno id",
        "network": "network 管线种类 管网类型 管线类型 管类 gxzl gxlx",
        "from_node": "fromnode 起点编号 起点点号 起点物探点号 起点管线点号 起始点号 起点号 起点 "
        "sexp startid qdbh qddh qd",
        "to_node": "tonode 终点编号 终点点号 终点物探点号 终点管线点号 终止点号 终点号 终点 "
        "连接点号 连接管线点号 连接点物探点号 连接点 eexp endid zdbh zddh zd",
        "diameter_mm": "diametermm diameterm diameter 管径 管径mm 管径或断面尺寸 管径断面尺寸 "
        "管线规格 规格 psize gj gxgg",
        "section_mm": "sectionmm section 断面尺寸 断面 断面规格 管沟断面 沟道断面 宽高 dmcc",
        "material": "material 材质 管材 管线材料 管线材质 cz gc",
        "burial_depth_m": "burialdepthm burialdept depth 埋深 管顶埋深 外顶埋深 管底埋深 "
        "管内底埋深 内底埋深 沟底埋深 ms",
        "depth_from_m": "depthfromm depthfrom sdeep sdepth startdepth 起点埋深 起点管线埋深 "
        "起始点埋深 起点管顶埋深 起点外顶埋深 起点管底埋深 起点管内底埋深 起点内底埋深 "
        "起点沟底埋深 qdms",
        "depth_to_m": "depthtom depthto edeep edepth enddepth 终点埋深 终点管线埋深 终止点埋深 "
        "连接点埋深 连接点管线埋深 终点管顶埋深 终点外顶埋深 终点管底埋深 终点管内底埋深 "
        "终点内底埋深 终点沟底埋深 zdms",
        "depth_of": "depthof depthtype 埋深类型 埋深类别 埋深部位 埋深位置 埋深基准 测深部位 "
        "mslx msbw",
        "laying": "laying embed embedtype embedding 埋设方式 敷设方式 埋设类型 敷设类型 埋设方法 "
        "msfs fsfs",
        "status": "status 状态 管线状态 使用状态 使用情况 运行状态 当前状态 zt gxzt syzt syzk",
        "owner": "owner belong 权属单位 权属单位名称 产权单位 管线权属单位 权属 权属人 qsdw cqdw",
        "pressure_mpa": "pressurempa pressurem pressure 压力 压力值 工作压力 设计压力 yl ylz",
        "pressure_class": "pressureclass pressurecl 压力级别 压力等级 压力类型 压力类别 压力分级 "
        "yljb yldj yllx",
        "voltage_kv": "voltagekv voltage 电压 电压值 电压等级 电压kv dyz dydj",
        "ducts": "ducts totalhole holes 总孔数 孔数 管孔数 孔总数 zks ks",
        "year_built": "yearbuilt year mdate 建设年代 埋设年代 埋设日期 敷设年份 敷设日期 "
        "建成年份 建设年份 建设日期 jsnd msnd msrq",
    },
    "dwelling": {
        "code": "code 编码 户室编码 户室编号 户室代码 房屋编码 房屋编号 房间编码 住宅编码 fwbm "
        "hsbm",
        "building_code": "buildingcode buildingco 楼栋编码 楼栋编号 建筑编码 建筑编号 建筑物编码 "
        "所属楼栋 ldbm jzwbm",
        "unit_code": "unitcode 单元编码 单元编号 dybm dybh",
        "unit": "unit 单元 单元号 单元名称 dy dyh",
        "floor": "floor 楼层 所在楼层 层 层号 szc lc",
        "room": "room 户室号 房号 房间号 室号 门牌号室 户号室 房室号 室 fh fjh hsh",
        "address": "address addr 地址 门牌 门牌地址 住址 居住地址 详细地址 房屋地址 dz mpdz jzdz",
        "occupancy": "occupancy 住户类型 居住类型 房屋使用情况 使用情况 居住方式 房屋状态 居住情况 "
        "使用状态 zhlx",
        "residents": "residents 常住人口 居住人数 实住人数 人口数 人口 人数 住户人数 实有人口 "
        "居住人口 czrk rks rk",
        "registered": "registered 户籍人口 户籍人数 其中户籍 本地户籍人数 hjrk",
        "floating": "floating 流动人口 流动人数 暂住人口 外来人口 其中流动 ldrk",
        "age_0_6": "age06 0-6岁 0至6岁 学龄前 学龄前儿童 06岁 0到6岁",
        "age_7_17": "age717 7-17岁 7至17岁 717岁 7到17岁 青少年",
        "age_18_59": "age1859 18-59岁 18至59岁 1859岁 18到59岁",
        "age_60_79": "age6079 60-79岁 60至79岁 6079岁 60到79岁",
        "age_80_up": "age80up 80岁以上 80岁及以上 80周岁以上 高龄 高龄老人",
        "alone_60_up": "alone60up 独居老人 独居老年人 独居老人数 60岁以上独居",
        "need_help": "needhelp 需帮助人数 需协助疏散 需协助疏散人数 行动不便 行动不便人数 "
        "失能人数 残疾人数",
        "verified_on": "verifiedon 核实日期 核查日期 采集日期 登记日期 更新日期 走访日期 hsrq cjrq",
    },
    "entity": {
        "code": "code 编码 单位编码 单位编号 企业编码 dwbm dwbh",
        "credit_code": "creditcode 统一社会信用代码 社会信用代码 信用代码 统一信用代码 uscc "
        "tyshxydm shxydm xydm",
        "name": "name 名称 单位名称 企业名称 机构名称 商户名称 店名 字号 mc dwmc qymc",
        "kind": "kind type 单位类型 机构类型 企业类型 主体类型 类型 dwlx",
        "industry": "industry 行业代码 行业 国民经济行业代码 行业分类代码 hydm",
        "industry_section": "industrysection 行业门类 门类 hyml",
        "industry_division": "industrydivision 行业大类 大类 hydl",
        "staff_count": "staffcount staff 从业人数 从业人员 职工人数 员工人数 人数 cyrs",
        "building_code": "buildingcode buildingco 楼栋编码 楼栋编号 建筑编码 建筑编号 建筑物编码 "
        "所在楼栋 ldbm jzwbm",
        "floor": "floor 楼层 所在楼层 层 szc lc",
        "address": "address addr 地址 经营地址 注册地址 住所 经营场所 详细地址 dz jydz zcdz",
        "key_unit": "keyunit 消防重点单位 消防安全重点单位 重点单位 是否重点单位 sfzddw",
    },
    "resident": {
        "code": "户室编码 户室编号 户室代码 房屋编码 房屋编号 房间编码 住宅编码 dwellingcode fwbm",
        "building_code": "buildingcode buildingco 楼栋编码 楼栋编号 建筑编码 建筑编号 建筑物编码 "
        "所属楼栋 ldbm jzwbm",
        "unit_code": "unitcode 单元编码 单元编号 dybm dybh",
        "unit": "unit 单元 单元号 单元名称 dy dyh",
        "floor": "floor 楼层 所在楼层 层 层号 szc lc",
        "room": "room 户室号 房号 房间号 室号 房室号 室 fh fjh hsh",
        "address": "address addr 居住地址 现住址 现居住地址 现住地址 实际居住地址 常住地址 住址 "
        "地址 门牌地址 详细地址 房屋地址 dz jzdz xzz",
        "name": "name 姓名 居民姓名 人员姓名 xm",
        "id_number": "idnumber idcard 身份证号 身份证号码 公民身份号码 身份证 证件号码 证件号 "
        "居民身份证号 sfzh sfzhm gmsfhm zjhm",
        "phone": "phone tel mobile 联系电话 手机 手机号 手机号码 电话 联系方式 lxdh sjh dh",
        "birth_date": "birthdate birthday 出生日期 出生年月 生日 出生年月日 csrq",
        "age": "age 年龄 周岁 nl",
        "residence": "residence 人口类型 人口性质 户籍类型 人员类型 人员类别 居住性质 户籍性质 "
        "户口性质 人户情况 人户一致标识 rklx rylx",
        "needs_help": "needshelp 行动不便 失能情况 是否失能 是否残疾 残疾情况 身体状况 需协助疏散 "
        "是否行动不便",
        "occupancy": "occupancy 住户类型 居住类型 居住方式 房屋使用情况 zhlx",
        "verified_on": "verifiedon 核实日期 核查日期 采集日期 登记日期 更新日期 hsrq cjrq",
    },
    "building_fire": {
        "building_code": "buildingcode buildingco 楼栋编码 楼栋编号 建筑编码 建筑编号 建筑物编码 "
        "所属楼栋 ldbm jzwbm",
        "address": "address addr 地址 门牌 门牌地址 详细地址 建筑地址 单位地址 dz mpdz",
        "item": "item 项目 采集项目 项目名称 内容 设施 xm xmmc",
        "value": "value 情况 说明 采集情况 现状 数量及说明 qk",
        "place": "place 位置 部位 所在位置 设置位置 wz",
        "checked_on": "checkedon 采集日期 核查日期 检查日期 熟悉日期 cjrq hcrq",
        "checked_by": "checkedby 采集人 核查人 检查人 熟悉人 cjr hcr",
    },
    "register": {
        "code": "buildingcode buildingco 楼栋编码 楼栋编号 建筑编码 建筑编号 建筑物编码 code 编码 "
        "幢号 ldbm jzwbm",
        "unit_code": "unitcode 单元编码 单元编号 dybm dybh",
        "unit": "unit 单元 单元号 单元名称 dy dyh",
        "address": "address addr 地址 门牌 门牌地址 住址 详细地址 dz mpdz",
        "households": "households 户数 总户数 住户数 hs",
        "population": "population 人口 人口数 人数 rk rks",
    },
}
"""Synonyms of each column, by layer."""

VALUES: dict[str, dict[str, str]] = {
    "item": {
        "exits": "安全出口 出口 疏散出口",
        "evacuation_stairs": "疏散楼梯 楼梯 疏散楼梯间 防烟楼梯间",
        "fire_lifts": "消防电梯",
        "control_room": "消防控制室 消控室",
        "duty_phone": "物业24小时电话 值班电话 24小时电话 物业电话 物业24小时值班电话 消控室电话",
        "pump_adapters": "水泵接合器 消防水泵接合器",
        "tanks": "消防水池 水池 取水口 消防水池取水口 消防水箱 天然水源",
        "power_cut_off": "切断电源位置 电源位置 电源切断位置 电源 总电源 配电房 配电室 "
        "断电位置 配电总闸",
        "cladding": "外墙保温 外墙装饰 外墙保温材料 外墙装饰材料 幕墙 外墙保温装饰材料",
        "window_grilles": "防盗网 外窗防盗网 广告牌 外窗防盗网广告牌",
        "ebike_charging": "电动自行车 电动自行车充电 电动车充电 电动自行车停放充电",
        "bottled_gas": "瓶装液化气 液化气 液化石油气 瓶装液化石油气 瓶装燃气",
        "people_to_help": "需协助疏散人数 需协助疏散 行动不便人员",
    },
    "station_class": {
        "first": "一级 一级站 一级普通消防站 一级消防站",
        "second": "二级 二级站 二级普通消防站 二级消防站",
        "small": "小型 小型站 小型消防站 小型普通消防站",
        "special": "特勤 特勤站 特勤消防站",
    },
    "hydrant_type": {
        "above_ground": "地上 地上式 地上栓 地上消火栓 地上式消火栓 地上消防栓 地上式消防栓 "
        "室外地上消火栓 室外地上式消火栓",
        "underground": "地下 地下式 地下栓 地下消火栓 地下式消火栓 地下消防栓 地下式消防栓 "
        "室外地下消火栓 室外地下式消火栓",
    },
    "occupancy": {
        "owner": "自住 自有 业主 业主自住 产权人自住 自住户 户主 自有住房",
        "rented": "租住 出租 租赁 租户 承租 出租屋 出租户 租房 公租房",
        "vacant": "空置 空房 空置房 无人居住 闲置 空户 未住人",
        "business": "商用 经营 办公 商业 商住 店铺 门面 经营用房 民宿",
    },
    "residence": {
        "registered": "户籍 户籍人口 本地户籍 本地 人户一致 户在人在 人在户在 户籍居民 本社区户籍",
        "floating": "流动 流动人口 暂住 暂住人口 外来 外来人口 非户籍 人在户不在 外地户籍 寄住人口",
        "away": "户在人不在 空挂户 空挂 外出 外出人口 迁出 死亡 注销 已故 搬离",
    },
    "needs_help": {
        "true": "失能 半失能 残疾 行动不便 卧床 不能自理 半自理 瘫痪 需要 不便",
        "false": "健康 自理 正常 良好 能自理 一般 不需要",
    },
    "kind@entity": {
        "enterprise": "企业 公司 法人企业 有限公司 有限责任公司 股份公司 股份有限公司 国有企业",
        "individual": "个体 个体户 个体工商户 个体经营",
        "institution": "事业 事业单位 事业法人",
        "government": "机关 政府机关 党政机关 机关法人 行政机关",
        "association": "社团 社会团体 社会组织 民办非企业 民办非企业单位 基金会 社会服务机构",
        "cooperative": "合作社 农民专业合作社 专业合作社",
        "other": "其他 其它",
    },
    "key_unit": {
        "true": "重点 重点单位 消防重点单位",
        "false": "非重点 一般 一般单位",
    },
    "use": {
        "residential": "住宅 居住 居民住宅 住宅楼 商品房 居民楼 民宅 自建房 住宅用房",
        "apartment": "公寓 公寓楼 酒店式公寓 商务公寓",
        "dormitory": "宿舍 宿舍楼 集体宿舍 学生宿舍",
        "mixed": "商住 商住两用 综合 商住楼 商住混合",
        "commercial": "商业 商铺 商场 酒店 商服 商业用房 商业服务",
        "office": "办公 写字楼 办公楼 办公用房",
        "industrial": "工业 厂房 工厂 工业用房",
        "warehouse": "仓储 仓库 库房",
        "education": "教育 学校 教学楼 教育用房 教学",
        "medical": "医疗 医院 卫生 医疗卫生 医疗用房",
        "culture": "文化 体育 文体 宗教",
        "public": "公共 公共建筑 公建 行政",
        "transport": "交通 车站",
        "utility": "市政 公用设施 配电",
        "ancillary": "附属 车库 车棚 附属用房",
        "other": "其他 其它",
    },
    "structure": {
        "steel": "钢 钢结构",
        "reinforced_concrete": "钢混 钢筋混凝土 钢筋混凝土结构 钢砼 框架 框剪 剪力墙 混凝土 砼 混 "
        "钢混结构 框架结构 剪力墙结构 框剪结构 框架剪力墙 混凝土结构",
        "brick_concrete": "砖混 砖混结构 混合 混合结构",
        "brick_wood": "砖木 砖木结构",
        "wood": "木 木结构",
        "other": "其他 其它 土 简易",
    },
    "category": {
        "service_station": "服务站 社区服务站 党群服务中心 居委会 便民服务",
        "government": "政府 机关 政府机关 街道办",
        "school": "学校 小学 中学 中小学",
        "kindergarten": "幼儿园 托儿所",
        "university": "大学 高校 学院",
        "hospital": "医院 综合医院",
        "clinic": "诊所 卫生站 卫生院 卫生服务中心 社区卫生服务站 社区卫生服务中心 卫生室 门诊",
        "elderly_care": "养老 养老院 敬老院 福利院",
        "police": "派出所 警务室 公安 警察",
        "fire_station": "消防站 消防队 消防救援站",
        "micro_station": "微型消防站 社区微型消防站 小区微型消防站",
        "shelter": "避难场所 应急避难场所",
        "intake": "消防取水点 取水口 消防水池 消防水鹤",
        "market": "市场 菜市场 农贸市场 超市",
        "park": "公园 广场 绿地",
        "sport": "体育 体育场 体育馆 健身",
        "culture": "文化 文化馆 图书馆 文化站 影院",
        "worship": "宗教 寺庙 教堂",
        "toilet": "厕所 公厕 公共厕所",
        "parking": "停车场 停车",
        "transport": "车站 公交站 客运站",
        "fuel": "加油站 加气站 充电站",
        "other": "其他 其它",
    },
    "road_class": {
        "expressway": "快速路 高速 高速公路 高架 城市快速路 高速路",
        "arterial": "主干路 主干道 主干 城市主干路 城市主干道",
        "secondary": "次干路 次干道 次干 城市次干路 城市次干道",
        "local": "支路 支线 城市支路",
        "alley": "巷 巷道 街巷 胡同 里弄 背街小巷 弄堂 步行街",
        "internal": "小区路 内部路 内部道路 小区道路 小区内部路 组团路 宅前路",
        "path": "步道 人行道 小路 步行道 人行步道 绿道",
    },
    "oneway": {
        "no": "否 双向 双行 0 no false",
        "forward": "是 单向 单行 1 yes true 顺向",
        "backward": "逆向 -1",
    },
    "surface": {
        "asphalt": "沥青 柏油 沥青混凝土 沥青路面 沥青砼 柏油路 沥青混凝土路面",
        "concrete": "水泥 混凝土 水泥混凝土 水泥路面 水泥砼 混凝土路面 砼 水泥混凝土路面",
        "paving": "砖 石板 铺装 地砖 透水砖 条石",
        "gravel": "砂石 碎石 砾石 砂石路 碎石路 泥结碎石",
        "earth": "土 土路 土路面 素土",
        "other": "其他 其它",
    },
    "kind@water": {
        "river": "河 河流 江",
        "canal": "渠 运河 沟渠 人工河",
        "stream": "溪 沟 小溪",
        "lake": "湖 湖泊 水库",
        "pond": "池塘 塘 鱼塘",
        "sea": "海",
    },
    "network": {
        "water": "给水 供水 上水 自来水 配水 输水 原水 消防水 js jp xs",
        "sewage": "污水 ws",
        "storm": "雨水 ys",
        "combined": "合流 雨污合流 雨污合流管 合流管 hs hl",
        "gas": "燃气 煤气 天然气 液化气 rq mq tr yh",
        "heat": "热力 供热 热水 蒸汽 rl rs zq",
        "power": "电力 供电 路灯 交通信号 电车 dl gd ld xh",
        "telecom": "通信 电信 通讯 电话 有线电视 信息网络 广播 dx tx dh ds xx",
    },
    "laying": {
        "direct": "直埋 直接埋设 zm",
        "duct": "管埋 套管 保护管 导管 排管 穿管 gm",
        "duct_bank": "管块 gk",
        "trench": "管沟 沟埋 方沟 沟道 电缆沟 地沟 gg",
        "overhead": "架空 jk",
        "surface": "地面 地表 dm",
        "riser": "上架 上杆 sj",
        "in_drain": "小通道 xtd",
        "tunnel": "综合管廊 综合管廊沟 综合管沟 管廊 共同沟 zh",
        "shelter": "人防 rf",
        "in_manhole": "井内连线 jn",
        "trenchless": "顶管 非开挖 定向钻 拖拉管 顶管非开挖或定向钻 dg",
        "under_water": "水下 sx",
    },
    "depth_of": {
        "top": "管顶 外顶 管外顶 沟顶 块顶 管块顶",
        "invert": "内底 管内底 管底 沟底 沟内底",
    },
    "status": {
        "in_use": "在用 使用 使用中 正常 运行 运行中 在役 0",
        "abandoned": "废弃 报废 弃用 退役 已废弃 1",
        "empty": "空管 空 空置 预埋 2",
        "other": "其他 其它 3",
    },
    "pressure_class": {
        "low": "低压 低压管 dy",
        "medium": "中压 中压管 zy",
        "medium_b": "中压b 中压b级 中b",
        "medium_a": "中压a 中压a级 中a",
        "sub_high": "次高压",
        "sub_high_b": "次高压b 次高压b级 次高b",
        "sub_high_a": "次高压a 次高压a级 次高a",
        "high": "高压 高压管 gy",
        "high_b": "高压b 高压b级",
        "high_a": "高压a 高压a级",
    },
    "kind@pipe_node": {
        "source": "水源 水厂 气源 热源",
        "junction": "三通 四通 五通 弯头 变径 变材 直通 连接点 多通 转折点 转折 拐点 直线点 直线 "
        "变坡点 变深点 分支点 分支 交叉点 一般管线点 探测点 管线点",
        "valve": "阀门 阀门井 阀 闸阀 蝶阀 球阀 控制阀",
        "check_valve": "止回阀 单向阀",
        "regulator": "调压箱 调压站 调压器 调压柜",
        "hydrant": "消防栓 消火栓 消防井 消防栓井 消火栓井 室外消火栓 地上消火栓 地下消火栓 "
        "地上式消火栓 地下式消火栓 地上栓 地下栓 地上消防栓 地下消防栓 地上式消防栓 地下式消防栓 "
        "室外地上消火栓 室外地下消火栓 室外地上式消火栓 室外地下式消火栓",
        "manhole": "检查井 检修井 窨井 人孔 手孔 雨水篦 雨篦 污篦",
        "pump": "泵 泵站",
        "substation": "变电站 配电房 变压器",
        "cabinet": "接线箱 交接箱 配电箱",
        "outfall": "出水口 排水口 排放口",
        "consumer": "用户 入户 水表 户表 表井",
        "end": "堵头 末端 预留口 盲板 终点 盖堵 管堵 封堵 管帽",
    },
    "material": {
        "ductile_iron": "球墨铸铁 球铁 球墨铸铁管",
        "cast_iron": "铸铁 铸铁管",
        "steel": "钢 钢管 无缝钢管 镀锌 镀锌钢管 镀锌管 焊接钢管",
        "pe": "pe pe80 pe100 聚乙烯 聚乙烯塑料 hdpe 塑料 pe管 hdpe管",
        "pvc": "pvc upvc 聚氯乙烯 聚氯乙烯塑料 pvc管 upvc管 pvc-u",
        "concrete": "砼 混凝土 钢筋混凝土 水泥 混凝土管 水泥管 砼管 钢筋混凝土管",
        "copper": "铜",
        "aluminium": "铝 钢芯铝绞线",
        "fibre": "光纤 光缆",
        "other": "其他 其它 玻璃钢 砖石 砖 石 石棉 陶瓷",
    },
    "level": {
        "city": "市 地级市",
        "district": "区 县 区县 县区",
        "street": "街道 乡镇 镇 乡 街道办 街道办事处 办事处",
        "community": "社区 村 居委会 社区村 村委会 社区居委会 行政村",
    },
    "in_service": {
        "true": "正常 可用 良好 完好 在用 使用 使用中 正常使用 运行 运行中 正常运行 有效 启用",
        "false": "维修 维修中 待修 检修 停用 停运 损坏 破损 故障 异常 报废 废弃 拆除 不可用 无水 "
        "坏 待修复 已损坏 已停用 已报废 已废弃 已拆除 已拆 停水 不出水",
    },
    "is_open": {
        "true": "开 开启 打开 常开 全开",
        "false": "关 关闭 闭 常关 常闭 全关",
    },
    "gated": {
        "true": "封闭 封闭式 封闭小区",
        "false": "开放 开放式 开放小区 不封闭",
    },
    "high_rise": {
        "true": "高层 超高层",
        "false": "多层 低层 非高层",
    },
    "covered": {
        "true": "暗渠 暗涵",
        "false": "明渠",
    },
    "fire_class": {
        "1": "一级 一 Ⅰ Ⅰ级 i 1级",
        "2": "二级 二 Ⅱ Ⅱ级 ii 2级",
        "3": "三级 三 Ⅲ Ⅲ级 iii 3级",
        "4": "四级 四 Ⅳ Ⅳ级 iv 4级",
    },
}
"""Synonyms of each of our values, by column (``column@layer`` where layers differ)."""

DEPTH_WORDS = {
    "top": ("管顶", "外顶", "沟顶"),
    "invert": ("管底", "内底", "沟底"),
}
"""Words in the header of a depth that say what it is measured to."""

TRUE_WORDS = ("true", "1", "1.0", "yes", "y", "t", "是", "有", "真", "开", "在用", "完好")
FALSE_WORDS = ("false", "0", "0.0", "no", "n", "f", "否", "无", "假", "关", "停用", "损坏")


_SIMPLIFIED = str.maketrans(
    "編碼號樓棟稱層數戶積區縣鎮鄉類別級門寬長徑質規壓電點線終經緯東標圖幾時間結構築實總單設務機關"
    "說備註業門齡續駐態頭陣條雙塊轄屬種頂網閥壩橋鐵載淨",
    "编码号楼栋称层数户积区县镇乡类别级门宽长径质规压电点线终经纬东标图几时间结构筑实总单设务机关"
    "说备注业门龄续驻态头阵条双块辖属种顶网阀坝桥铁载净",
)
"""Traditional characters of headers."""


def normalize_name(name: str) -> str:
    """Return a name without case, blanks and punctuation, in simplified characters."""
    plain = name.lower().translate(_SIMPLIFIED)
    return "".join(character for character in plain if character.isalnum())


def value_translations(column: str, layer: str) -> dict[str, str]:
    """Return our value by each of its synonyms and by itself; empty for a column without a list."""
    table = _value_synonyms(column, layer)
    words = {word: ours for ours, words in table.items() for word in (*words.split(), ours)}
    if "true" in table:
        general = (*((word, "true") for word in TRUE_WORDS), *((w, "false") for w in FALSE_WORDS))
        words = dict(general) | words
    return words


def describe_values(column: str, layer: str, values: Sequence[str]) -> str:
    """Return the values that a column may have, each with a synonym, for messages."""
    table = _value_synonyms(column, layer) or {"true": "是", "false": "否"}
    synonyms = {value: table.get(value, "").split()[:1] for value in values}
    return ", ".join(" ".join([value, *words]) for value, words in synonyms.items())


def _value_synonyms(column: str, layer: str) -> dict[str, str]:
    return VALUES.get(f"{column}@{layer}") or VALUES.get(column, {})
