#include "eval/json_number.h"

#include <cmath>
#include <cstdlib>
#include <string>

namespace gnomon::eval {

double finite(const YAML::Node& node) {
  const auto value = node.as<double>();
  if (!std::isfinite(value)) throw YAML::Exception(node.Mark(), "must be a finite number");
  return value;
}

int whole(const YAML::Node& node, int least, int most) {
  const int value = node.as<int>();
  if (value < least || value > most)
    throw YAML::Exception(node.Mark(), "must be " + std::to_string(least) + " to " + std::to_string(most));
  return value;
}

double printed_precision(const YAML::Node& node) {
  const auto printed = node.as<std::string>();
  const std::size_t exponent_at = printed.find_first_of("eE"), point = printed.find('.');
  const std::string digits = printed.substr(0, exponent_at);
  double exponent = exponent_at == std::string::npos ? 0 : std::atof(printed.c_str() + exponent_at + 1);
  if (point != std::string::npos) exponent -= static_cast<double>(digits.size() - point - 1);
  return 0.5 * std::pow(10.0, exponent);
}

}  // namespace gnomon::eval
