#pragma once
// Lists of SQL's words, all in lower case.

#include <string>
#include <string_view>

namespace gnomon::protocol::pg {

// "IN (…)", "VALUES (…)": what precedes the parenthesis is not called.
bool is_keyword_before_parenthesis(std::string_view word);

// A function that is PostgreSQL's own and changes nothing: neither rows nor sequences, locks, settings, files or other
// sessions. Whatever is not in the list may do all of that.
bool is_harmless_function(std::string_view word);

// The first word of a statement.
bool is_verb(std::string_view word);

// A client encoding in which a backslash may be the second half of a character.
bool hides_ascii(std::string encoding);

// What a relation is called in metrics: lower case, digits as {}, only what any label may hold.
std::string relation_class(std::string_view name);

}  // namespace gnomon::protocol::pg
