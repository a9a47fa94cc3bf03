// text_unit.c -- tables of units of measure, currencies and Chinese measure words.
#include <string.h>

#include "tts/text_part.h"

// Longer signs stand before their beginnings.
static const struct prl_text_unit_name UNITS[] = {
    {"km/h", "kilometer per hour", "kilometers per hour", "公里", "每小时", true},
    {"kmh", "kilometer per hour", "kilometers per hour", "公里", "每小时", true},
    {"kph", "kilometer per hour", "kilometers per hour", "公里", "每小时", true},
    {"m/s²", "meter per second squared", "meters per second squared", "米每二次方秒", "", true},
    {"m/s", "meter per second", "meters per second", "米", "每秒", true},
    {"mph", "mile per hour", "miles per hour", "英里", "每小时", true},
    {"km²", "square kilometer", "square kilometers", "平方公里", "", true},
    {"km2", "square kilometer", "square kilometers", "平方公里", "", true},
    {"cm²", "square centimeter", "square centimeters", "平方厘米", "", true},
    {"cm³", "cubic centimeter", "cubic centimeters", "立方厘米", "", true},
    {"ft²", "square foot", "square feet", "平方英尺", "", true},
    {"m²", "square meter", "square meters", "平方米", "", true},
    {"m2", "square meter", "square meters", "平方米", "", true},
    {"m³", "cubic meter", "cubic meters", "立方米", "", true},
    {"m3", "cubic meter", "cubic meters", "立方米", "", true},
    {"km", "kilometer", "kilometers", "公里", "", true},
    {"KM", "kilometer", "kilometers", "公里", "", true},
    {"cm", "centimeter", "centimeters", "厘米", "", true},
    {"mm", "millimeter", "millimeters", "毫米", "", true},
    {"nm", "nanometer", "nanometers", "纳米", "", true},
    {"μm", "micrometer", "micrometers", "微米", "", true},
    {"kg", "kilogram", "kilograms", "公斤", "", true},
    {"KG", "kilogram", "kilograms", "公斤", "", true},
    {"Kg", "kilogram", "kilograms", "公斤", "", true},
    {"mg", "milligram", "milligrams", "毫克", "", true},
    {"μg", "microgram", "micrograms", "微克", "", true},
    {"lbs", "pound", "pounds", "磅", "", true},
    {"lb", "pound", "pounds", "磅", "", true},
    {"tbsp", "tablespoon", "tablespoons", "汤匙", "", true},
    {"tsp", "teaspoon", "teaspoons", "茶匙", "", true},
    {"oz", "ounce", "ounces", "盎司", "", true},
    {"ft", "foot", "feet", "英尺", "", true},
    {"yd", "yard", "yards", "码", "", true},
    {"mi", "mile", "miles", "英里", "", true},
    {"°C", "degree Celsius", "degrees Celsius", "摄氏度", "", true},
    {"°F", "degree Fahrenheit", "degrees Fahrenheit", "华氏度", "", true},
    {"°", "degree", "degrees", "度", "", false},
    {"Mbps", "megabit per second", "megabits per second", "兆比特", "每秒", true},
    {"Gbps", "gigabit per second", "gigabits per second", "吉比特", "每秒", true},
    {"kbps", "kilobit per second", "kilobits per second", "千比特", "每秒", true},
    {"MB/s", "megabyte per second", "megabytes per second", " M B", "每秒", true},
    {"GB/s", "gigabyte per second", "gigabytes per second", " G B", "每秒", true},
    {"TB", "terabyte", "terabytes", " T B", "", true},
    {"GB", "gigabyte", "gigabytes", " G B", "", true},
    {"MB", "megabyte", "megabytes", " M B", "", true},
    {"KB", "kilobyte", "kilobytes", " K B", "", true},
    {"kB", "kilobyte", "kilobytes", " K B", "", true},
    {"GHz", "gigahertz", "gigahertz", "吉赫兹", "", true},
    {"MHz", "megahertz", "megahertz", "兆赫兹", "", true},
    {"kHz", "kilohertz", "kilohertz", "千赫兹", "", true},
    {"Hz", "hertz", "hertz", "赫兹", "", true},
    {"kWh", "kilowatt hour", "kilowatt hours", "千瓦时", "", true},
    {"mAh", "milliamp hour", "milliamp hours", "毫安时", "", true},
    {"kW", "kilowatt", "kilowatts", "千瓦", "", true},
    {"MW", "megawatt", "megawatts", "兆瓦", "", true},
    {"W", "watt", "watts", "瓦", "", true},
    {"kV", "kilovolt", "kilovolts", "千伏", "", true},
    {"V", "volt", "volts", "伏", "", true},
    {"mA", "milliamp", "milliamps", "毫安", "", true},
    {"dB", "decibel", "decibels", "分贝", "", true},
    {"hPa", "hectopascal", "hectopascals", "百帕", "", true},
    {"kPa", "kilopascal", "kilopascals", "千帕", "", true},
    {"MPa", "megapascal", "megapascals", "兆帕", "", true},
    {"Pa", "pascal", "pascals", "帕", "", true},
    {"kcal", "kilocalorie", "kilocalories", "千卡", "", true},
    {"cal", "calorie", "calories", "卡", "", true},
    {"kJ", "kilojoule", "kilojoules", "千焦", "", true},
    {"ml", "milliliter", "milliliters", "毫升", "", true},
    {"mL", "milliliter", "milliliters", "毫升", "", true},
    {"L", "liter", "liters", "升", "", true},
    {"l", "liter", "liters", "升", "", false},
    {"mins", "minute", "minutes", "分钟", "", true},
    {"min", "minute", "minutes", "分钟", "", true},
    {"secs", "second", "seconds", "秒", "", true},
    {"sec", "second", "seconds", "秒", "", true},
    {"ms", "millisecond", "milliseconds", "毫秒", "", true},
    {"hrs", "hour", "hours", "小时", "", true},
    {"hr", "hour", "hours", "小时", "", true},
    {"h", "hour", "hours", "小时", "", true},
    {"s", "second", "seconds", "秒", "", true},
    {"m", "meter", "meters", "米", "", true},
    {"g", "gram", "grams", "克", "", true},
    {"t", "ton", "tons", "吨", "", false},
    {"px", "pixel", "pixels", "像素", "", true},
    {"fps", "frame per second", "frames per second", "帧", "每秒", true},
    {"rpm", "revolution per minute", "revolutions per minute", "转", "每分钟", true},
    {"ppm", "part per million", "parts per million", " P P M", "", true},
    {"Ω", "ohm", "ohms", "欧姆", "", true},
};

const struct prl_text_unit_name *prl_text_unit_at(const struct prl_text *t, size_t i, size_t *end)
{
    bool spaced = prl_text_at(t, i) == ' ';
    i += spaced ? 1 : 0;
    for (size_t k = 0; k < sizeof(UNITS) / sizeof(UNITS[0]); k++) {
        size_t n = prl_text_match(t, i, UNITS[k].sign);
        uint32_t next = prl_text_at(t, i + n);
        uint32_t last = n > 0 ? prl_text_at(t, i + n - 1) : 0;
        bool inside = prl_text_is_alnum(next) && prl_text_is_latin(last);
        bool apart = next == '\'' || next == '+' ||
                     (next == '-' && prl_text_is_alnum(prl_text_at(t, i + n + 1)));
        if (n == 0 || inside || apart || (spaced && !UNITS[k].spaced))
            continue;
        *end = i + n;
        return &UNITS[k];
    }
    // "3 in." only with its dot, since "3 in the box" is no length.
    static const struct prl_text_unit_name INCH = {"in", "inch", "inches", "英寸", "", true};
    if (prl_text_match(t, i, "in.") > 0 && !prl_text_is_alnum(prl_text_at(t, i + 3))) {
        *end = i + 2;
        return &INCH;
    }
    return NULL;
}

static const struct prl_text_money MONEY[] = {
    {"US$", "U S dollar", "U S dollars", "cent", "cents", "美元"},
    {"HK$", "Hong Kong dollar", "Hong Kong dollars", "cent", "cents", "港元"},
    {"NT$", "Taiwan dollar", "Taiwan dollars", "cent", "cents", "新台币"},
    {"A$", "Australian dollar", "Australian dollars", "cent", "cents", "澳元"},
    {"C$", "Canadian dollar", "Canadian dollars", "cent", "cents", "加元"},
    {"S$", "Singapore dollar", "Singapore dollars", "cent", "cents", "新加坡元"},
    {"$", "dollar", "dollars", "cent", "cents", "美元"},
    {"€", "euro", "euros", "cent", "cents", "欧元"},
    {"£", "pound", "pounds", "penny", "pence", "英镑"},
    {"¥", "yuan", "yuan", "", "", "元"},
    {"₹", "rupee", "rupees", "", "", "卢比"},
    {"₩", "won", "won", "", "", "韩元"},
    {"₽", "ruble", "rubles", "", "", "卢布"},
    {"₿", "bitcoin", "bitcoins", "", "", "比特币"},
    {"USD", "U S dollar", "U S dollars", "cent", "cents", "美元"},
    {"EUR", "euro", "euros", "cent", "cents", "欧元"},
    {"GBP", "pound", "pounds", "penny", "pence", "英镑"},
    {"CNY", "yuan", "yuan", "", "", "元"},
    {"RMB", "yuan", "yuan", "", "", "元"},
    {"JPY", "yen", "yen", "", "", "日元"},
    {"HKD", "Hong Kong dollar", "Hong Kong dollars", "cent", "cents", "港元"},
    {"KRW", "won", "won", "", "", "韩元"},
};

const struct prl_text_money *prl_text_money_at(const struct prl_text *t, size_t i, size_t *end)
{
    for (size_t k = 0; k < sizeof(MONEY) / sizeof(MONEY[0]); k++) {
        size_t n = prl_text_match(t, i, MONEY[k].sign);
        if (n == 0)
            continue;
        uint32_t last = prl_text_at(t, i + n - 1);
        if (prl_text_is_latin(last) && prl_text_is_latin(prl_text_at(t, i + n)))
            continue;
        *end = i + n;
        return &MONEY[k];
    }
    return NULL;
}

bool prl_text_measure_at(const struct prl_text *t, size_t i)
{
    static const char *const MEASURES[] = {
        "个", "個",   "只",   "隻", "条", "條",   "本",   "张",   "張",   "位", "件", "次", "天",
        "岁", "歲",   "米",   "周", "週", "小时", "小時", "分钟", "分鐘", "秒", "点", "點", "块",
        "塊", "元",   "角",   "辆", "輛", "杯",   "瓶",   "斤",   "公",   "套", "家", "间", "間",
        "栋", "座",   "棵",   "支", "双", "雙",   "对",   "對",   "名",   "种", "種", "类", "類",
        "句", "篇",   "部",   "台", "臺", "层",   "層",   "袋",   "盒",   "份", "颗", "顆", "粒",
        "片", "朵",   "头",   "頭", "匹", "群",   "排",   "行",   "段",   "项", "項", "门", "門",
        "道", "口",   "根",   "把", "顶", "面",   "艘",   "架",   "幅",   "首", "场", "場", "回",
        "遍", "趟",   "倍",   "万", "萬", "亿",   "億",   "千",   "百",   "半", "人", "者", "边",
        "邊", "国",   "國",   "端", "处", "處",   "步",   "样",   "樣",   "侧", "手", "度", "毫",
        "厘", "平方", "立方", "英", "升", "克",   "吨",   "噸",   "里",   "顿", "頓", "番", "欧",
        "美", "港",   "韩",   "瓦", "伏", "兆",   "吉",   "分贝", "帧",   "磅", "束", "串", "节",
        "節", "桶",   "碗",   "盘"};
    if (prl_text_match(t, i, "年") > 0)
        return prl_text_match(t, i, "年级") == 0 && prl_text_match(t, i, "年級") == 0;
    for (size_t k = 0; k < sizeof(MEASURES) / sizeof(MEASURES[0]); k++)
        if (prl_text_match(t, i, MEASURES[k]) > 0)
            return true;
    return false;
}
