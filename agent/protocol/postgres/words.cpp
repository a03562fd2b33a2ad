#include "agent/protocol/postgres/words.h"

#include <algorithm>
#include <array>

namespace gnomon::protocol::pg {
namespace {

// Words that stand before a parenthesis without calling anything.
constexpr std::array<std::string_view, 81> kKeywords = {
    "all",       "and",      "any",       "array",     "as",        "asc",    "between",      "by",      "case",
    "check",     "coalesce", "conflict",  "cross",     "cube",      "desc",   "distinct",     "do",      "else",
    "end",       "except",   "exists",    "fetch",     "filter",    "for",    "from",         "full",    "group",
    "grouping",  "groups",   "having",    "ilike",     "in",        "inner",  "intersect",    "into",    "is",
    "isnull",    "join",     "lateral",   "left",      "like",      "limit",  "materialized", "natural", "not",
    "nothing",   "notnull",  "nulls",     "offset",    "on",        "only",   "or",           "order",   "over",
    "partition", "range",    "recursive", "returning", "right",     "rollup", "row",          "rows",    "select",
    "set",       "sets",     "similar",   "some",      "symmetric", "table",  "then",         "to",      "union",
    "unique",    "update",   "using",     "values",    "when",      "where",  "window",       "with",    "within"};

// PostgreSQL's own functions, and types with a precision, whose evaluation changes nothing that outlives the statement.
// clang-format off
constexpr std::array<std::string_view, 404> kHarmless = {
    "abs", "acos", "acosd", "acosh", "age", "array_agg", "array_append", "array_cat", "array_dims", "array_fill",
    "array_length", "array_lower", "array_ndims", "array_position", "array_positions", "array_prepend",
    "array_remove", "array_replace", "array_to_json", "array_to_string", "array_to_tsvector", "array_upper",
    "ascii", "asin", "asind", "asinh", "atan", "atan2", "atan2d", "atand", "atanh", "avg", "bernoulli", "bit",
    "bit_and", "bit_count", "bit_length", "bit_or", "bit_xor", "bool", "bool_and", "bool_or", "box", "bpchar",
    "broadcast", "btrim", "cardinality", "cast", "cbrt", "ceil", "ceiling", "center", "char", "char_length",
    "character", "character_length", "chr", "circle", "clock_timestamp", "col_description", "collation", "concat",
    "concat_ws", "convert", "convert_from", "convert_to", "corr", "cos", "cosd", "cosh", "cot", "cotd", "count",
    "covar_pop", "covar_samp", "cume_dist", "current_database", "current_date", "current_schema", "current_schemas",
    "current_setting", "current_time", "current_timestamp", "current_user", "date", "date_bin", "date_part",
    "date_trunc", "datemultirange", "daterange", "dec", "decimal", "decode", "degrees", "dense_rank", "diameter",
    "div", "encode", "enum_first", "enum_last", "enum_range", "every", "exp", "extract", "factorial", "family",
    "first_value", "float", "float4", "float8", "floor", "format", "format_type", "gcd", "gen_random_uuid",
    "generate_series", "generate_subscripts", "get_bit", "get_byte", "greatest", "has_any_column_privilege",
    "has_column_privilege", "has_database_privilege", "has_function_privilege", "has_schema_privilege",
    "has_sequence_privilege", "has_table_privilege", "height", "host", "hostmask", "inet", "inet_client_addr",
    "inet_client_port", "inet_server_addr", "inet_server_port", "initcap", "int2", "int4", "int4multirange",
    "int4range", "int8", "int8multirange", "int8range", "interval", "isempty", "isfinite", "json_agg",
    "json_array_elements", "json_array_elements_text", "json_array_length", "json_build_array", "json_build_object",
    "json_each", "json_each_text", "json_extract_path", "json_extract_path_text", "json_object", "json_object_agg",
    "json_object_keys", "json_populate_record", "json_populate_recordset", "json_strip_nulls", "json_to_record",
    "json_to_recordset", "json_typeof", "jsonb_agg", "jsonb_array_elements", "jsonb_array_elements_text",
    "jsonb_array_length", "jsonb_build_array", "jsonb_build_object", "jsonb_each", "jsonb_each_text",
    "jsonb_extract_path", "jsonb_extract_path_text", "jsonb_insert", "jsonb_object", "jsonb_object_agg",
    "jsonb_object_keys", "jsonb_path_exists", "jsonb_path_exists_tz", "jsonb_path_match", "jsonb_path_match_tz",
    "jsonb_path_query", "jsonb_path_query_array", "jsonb_path_query_first", "jsonb_populate_record",
    "jsonb_populate_recordset", "jsonb_pretty", "jsonb_set", "jsonb_set_lax", "jsonb_strip_nulls",
    "jsonb_to_record", "jsonb_to_recordset", "jsonb_typeof", "justify_days", "justify_hours", "justify_interval",
    "lag", "last_value", "lcm", "lead", "least", "left", "length", "line", "ln", "localtime", "localtimestamp",
    "log", "log10", "lower", "lower_inc", "lower_inf", "lpad", "lseg", "ltrim", "make_date", "make_interval",
    "make_time", "make_timestamp", "make_timestamptz", "masklen", "max", "md5", "min", "min_scale", "mod", "mode",
    "netmask", "network", "normalize", "now", "npoints", "nth_value", "ntile", "nullif", "num_nonnulls",
    "num_nulls", "numeric", "nummultirange", "numnode", "numrange", "obj_description", "octet_length", "overlaps",
    "overlay", "parse_ident", "path", "percent_rank", "percentile_cont", "percentile_disc", "pg_backend_pid",
    "pg_client_encoding", "pg_column_size", "pg_database_size", "pg_get_constraintdef", "pg_get_expr",
    "pg_get_functiondef", "pg_get_indexdef", "pg_get_userbyid", "pg_get_viewdef", "pg_is_in_recovery",
    "pg_relation_size", "pg_size_pretty", "pg_table_is_visible", "pg_table_size", "pg_total_relation_size",
    "pg_type_is_visible", "pg_typeof", "phraseto_tsquery", "pi", "plainto_tsquery", "point", "polygon", "position",
    "power", "querytree", "quote_ident", "quote_literal", "quote_nullable", "radians", "radius", "random", "rank",
    "regexp_count", "regexp_instr", "regexp_like", "regexp_match", "regexp_matches", "regexp_replace",
    "regexp_split_to_array", "regexp_split_to_table", "regexp_substr", "regr_avgx", "regr_avgy", "regr_count",
    "regr_intercept", "regr_r2", "regr_slope", "regr_sxx", "regr_sxy", "regr_syy", "repeat", "replace", "reverse",
    "round", "row_number", "row_to_json", "rpad", "rtrim", "scale", "session_user", "set_bit", "set_byte",
    "setweight", "sha224", "sha256", "sha384", "sha512", "shobj_description", "sign", "sin", "sind", "sinh",
    "split_part", "sqrt", "starts_with", "statement_timestamp", "stddev", "stddev_pop", "stddev_samp", "string_agg",
    "string_to_array", "string_to_table", "strip", "strpos", "substr", "substring", "sum", "system", "tan", "tand",
    "tanh", "text", "time", "timeofday", "timestamp", "timestamptz", "timetz", "to_ascii", "to_char", "to_date",
    "to_hex", "to_json", "to_jsonb", "to_number", "to_regclass", "to_regproc", "to_regtype", "to_timestamp",
    "to_tsquery", "to_tsvector", "transaction_timestamp", "translate", "treat", "trim", "trim_array", "trim_scale",
    "trunc", "ts_delete", "ts_filter", "ts_headline", "ts_rank", "ts_rank_cd", "tsmultirange", "tsrange",
    "tstzmultirange", "tstzrange", "unnest", "upper", "upper_inc", "upper_inf", "user", "uuid", "var_pop",
    "var_samp", "varbit", "varchar", "variance", "varying", "version", "websearch_to_tsquery", "width",
    "width_bucket", "xmlagg", "xmlconcat", "xmlelement", "xmlforest", "xmlparse", "xmlroot", "xmlserialize",
    "xpath", "xpath_exists"};
// clang-format on

constexpr std::array<std::string_view, 52> kVerbs = {
    "abort",  "alter",    "analyze",  "begin",      "call",     "checkpoint", "close",   "cluster", "comment",
    "commit", "copy",     "create",   "deallocate", "declare",  "delete",     "discard", "do",      "drop",
    "end",    "execute",  "explain",  "fetch",      "grant",    "import",     "insert",  "listen",  "load",
    "lock",   "merge",    "move",     "notify",     "prepare",  "reassign",   "refresh", "reindex", "release",
    "reset",  "revoke",   "rollback", "savepoint",  "security", "select",     "set",     "show",    "start",
    "table",  "truncate", "unlisten", "update",     "vacuum",   "values",     "with"};

constexpr std::array<std::string_view, 17> kDoubleByte = {
    {"big5", "gb18030", "gbk", "johab", "mskanji", "shiftjis", "shiftjis2004", "sjis", "uhc", "win932", "win936",
     "win949", "win950", "windows932", "windows936", "windows949", "windows950"}};

static_assert(std::is_sorted(kDoubleByte.begin(), kDoubleByte.end()));
static_assert(std::is_sorted(kKeywords.begin(), kKeywords.end()));
static_assert(std::is_sorted(kHarmless.begin(), kHarmless.end()));
static_assert(std::is_sorted(kVerbs.begin(), kVerbs.end()));

constexpr std::size_t kLongestRelation = 63;

template <std::size_t kSize>
bool holds(const std::array<std::string_view, kSize>& sorted, std::string_view word) {
  return std::binary_search(sorted.begin(), sorted.end(), word);
}

}  // namespace

bool is_keyword_before_parenthesis(std::string_view word) {
  return holds(kKeywords, word);
}

bool is_harmless_function(std::string_view word) {
  return holds(kHarmless, word);
}

bool is_verb(std::string_view word) {
  return holds(kVerbs, word);
}

bool hides_ascii(std::string encoding) {
  std::erase_if(encoding, [](char c) { return c == '_' || c == '-' || c == ' '; });
  for (char& c : encoding) c = static_cast<char>(c >= 'A' && c <= 'Z' ? c | 0x20 : c);
  return holds(kDoubleByte, encoding);
}

std::string relation_class(std::string_view name) {
  std::string kept;
  for (const char c : name.substr(0, kLongestRelation)) {
    if (c >= '0' && c <= '9') {
      if (!kept.ends_with("{}")) kept += "{}";
    } else if (c >= 'A' && c <= 'Z') {
      kept += static_cast<char>(c | 0x20);
    } else {
      kept += c >= 'a' && c <= 'z' ? c : '_';
    }
  }
  return kept;
}

}  // namespace gnomon::protocol::pg
