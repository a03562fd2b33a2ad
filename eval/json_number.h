#pragma once
// Numbers of a JSON file that is read as YAML, which would take infinities, too. What is out of bounds throws
// YAML::Exception with the place, as what is no number does.

#include <yaml-cpp/yaml.h>

namespace gnomon::eval {

double finite(const YAML::Node& node);
int whole(const YAML::Node& node, int least, int most);
// Half a unit of the last digit, as the number is printed ("0.00163": 5e-6).
double printed_precision(const YAML::Node& node);

}  // namespace gnomon::eval
